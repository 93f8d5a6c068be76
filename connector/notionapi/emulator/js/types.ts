// What answers and requests are held against: Notion's own types, as the official
// client publishes them. Full objects only: the partial ones ({object, id}) would
// let anything pass.
import type * as N from "@notionhq/client/build/src/api-endpoints"
import type * as W from "@notionhq/client/build/src/api-endpoints/webhooks"

export type Page = N.PageObjectResponse
export type DataSource = N.DataSourceObjectResponse
export type Database = N.DatabaseObjectResponse
export type Block = N.BlockObjectResponse
export type Comment = N.CommentObjectResponse
export type User = N.UserObjectResponse
export type FileUpload = N.FileUploadObjectResponse
export type PropertyItem = N.GetPagePropertyResponse
export type Templates = N.ListDataSourceTemplatesResponse
export type Query = Omit<N.QueryDataSourceResponse, "results"> & { results: Array<N.PageObjectResponse> }
export type Search = Omit<N.SearchResponse, "results"> & { results: Array<N.PageObjectResponse | N.DataSourceObjectResponse> }
export type Users = N.ListUsersResponse
export type Comments = N.ListCommentsResponse
export type FileUploads = N.ListFileUploadsResponse
export type Blocks = Omit<N.ListBlockChildrenResponse, "results"> & { results: Array<N.BlockObjectResponse> }

export type Webhook =
  | W.CommentCreatedWebhookPayload | W.CommentDeletedWebhookPayload | W.CommentUpdatedWebhookPayload
  | W.DataSourceContentUpdatedWebhookPayload | W.DataSourceCreatedWebhookPayload | W.DataSourceDeletedWebhookPayload
  | W.DataSourceMovedWebhookPayload | W.DataSourceSchemaUpdatedWebhookPayload | W.DataSourceUndeletedWebhookPayload
  | W.DatabaseCreatedWebhookPayload | W.DatabaseDeletedWebhookPayload | W.DatabaseMovedWebhookPayload | W.DatabaseUndeletedWebhookPayload
  | W.DatabaseSchemaUpdatedWebhookPayload | W.DatabaseContentUpdatedWebhookPayload
  | W.PageContentUpdatedWebhookPayload | W.PageCreatedWebhookPayload | W.PageDeletedWebhookPayload | W.PageLockedWebhookPayload
  | W.PageMovedWebhookPayload | W.PagePropertiesUpdatedWebhookPayload | W.PageUndeletedWebhookPayload | W.PageUnlockedWebhookPayload

export type CreatePage = N.CreatePageParameters
export type UpdatePage = N.UpdatePageParameters
export type CreateDatabase = N.CreateDatabaseParameters
export type CreateDataSource = N.CreateDataSourceParameters
export type UpdateDataSource = N.UpdateDataSourceParameters
export type QueryDataSource = N.QueryDataSourceParameters
export type CreateComment = N.CreateCommentParameters
export type SearchRequest = N.SearchParameters
export type AppendBlocks = N.AppendBlockChildrenParameters
