package notionapi

import "context"

func (c *Client) getDataSource(ctx context.Context, id string) (DataSource, error) {
	return DataSource{}, nil
}
func (c *Client) updateDataSource(ctx context.Context, id string, change SchemaChange) (DataSource, error) {
	return DataSource{}, nil
}

// AddOptions makes sure that a select, multi_select or status offers the names, keeping those that it has.
func (c *Client) AddOptions(ctx context.Context, dataSourceID, propertyID string, names ...string) (DataSource, error) {
	return DataSource{}, nil
}

// Database is the container that people see; its rows live in data sources.
type Database struct {
	ID          string
	Title       string
	Parent      Parent
	DataSources []DataSourceRef
	InTrash     bool
	URL         string
	RequestID   string
}

// DataSourceRef names one data source of a database.
type DataSourceRef struct{ ID, Name string }

// NewDatabase is a database to make, with its first data source.
type NewDatabase struct {
	ParentPageID string
	Title        string
	Inline       bool
	Properties   []PropertySpec // exactly one of them a title
}

// Database reads a database. It costs one request.
func (c *Client) Database(ctx context.Context, id string) (Database, error) { return Database{}, nil }

// CreateDatabase makes a database under a page. On an error, ask [Unknown] and look with [Client.ChildDatabases] before trying again.
func (c *Client) CreateDatabase(ctx context.Context, db NewDatabase) (Database, error) {
	return Database{}, nil
}

// ChildDatabase is a database found among the blocks of a page.
type ChildDatabase struct{ ID, Title string }

// ChildDatabases lists the databases that stand on a page. It costs a request for each hundred blocks.
func (c *Client) ChildDatabases(ctx context.Context, pageID string) ([]ChildDatabase, error) {
	return nil, nil
}

// SearchQuery looks for pages or data sources by title.
type SearchQuery struct {
	Text     string
	Object   string // "page", "data_source" or "" for both
	Cursor   string
	PageSize int
}

// SearchResult is what a search found; it is an index that may lag, and never a full list.
type SearchResult struct {
	Pages       []Page
	DataSources []DataSource
	HasMore     bool
	NextCursor  string
}

// Search looks for what is shared with the integration by title. It costs one request.
func (c *Client) Search(ctx context.Context, query SearchQuery) (SearchResult, error) {
	return SearchResult{}, nil
}

// User is a person or a bot.
type User struct {
	ID, Type, Name, Email string // Type: person, bot; Email only with the capability
	WorkspaceID           string // of our own bot
	WorkspaceName         string
}

// Me gives the integration's own bot: the author of our writes. It costs one request.
func (c *Client) Me(ctx context.Context) (User, error) { return User{}, nil }

// Users lists the workspace's people and bots. It costs a request for each hundred.
func (c *Client) Users(ctx context.Context) ([]User, error) { return nil, nil }

// Comment is a remark on a page.
type Comment struct{ ID, DiscussionID, PageID, Text, RequestID string }

// CreateComment writes a remark on a page. It costs one request.
func (c *Client) CreateComment(ctx context.Context, pageID, text string) (Comment, error) {
	return Comment{}, nil
}
