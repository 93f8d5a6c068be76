// The types of 2022-06-28, from the last official client that spoke it.
import type * as N from "notion-client-4/build/src/api-endpoints"

export type Page = N.PageObjectResponse
export type Database = N.DatabaseObjectResponse
export type Block = N.BlockObjectResponse
export type Comment = N.CommentObjectResponse
export type User = N.UserObjectResponse
export type FileUpload = N.FileUploadObjectResponse
export type PropertyItem = N.GetPagePropertyResponse
export type Query = Omit<N.QueryDatabaseResponse, "results"> & { results: Array<N.PageObjectResponse> }
export type Search = Omit<N.SearchResponse, "results"> & { results: Array<N.PageObjectResponse | N.DatabaseObjectResponse> }
export type Users = N.ListUsersResponse
export type Comments = N.ListCommentsResponse
export type FileUploads = N.ListFileUploadsResponse
export type Blocks = Omit<N.ListBlockChildrenResponse, "results"> & { results: Array<N.BlockObjectResponse> }
