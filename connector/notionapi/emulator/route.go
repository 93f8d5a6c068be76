package emulator

import (
	"net/url"
	"strings"
)

// route is one endpoint. A {name} segment binds a path parameter.
type route struct {
	method string
	path   string
	op     func(*call) (*object, *apiError)
	since  version
	until  version
}

// routes is every endpoint that is served, in the order of the fact sheet's
// list. A path or method outside of it is an invalid_request_url, never a 404.
var routes = served()

func served() []route {
	all := func(method, path string, op func(*call) (*object, *apiError)) route {
		return route{method, path, op, v2022, v2026}
	}
	since25 := func(method, path string, op func(*call) (*object, *apiError)) route {
		return route{method, path, op, v2025, v2026}
	}
	return []route{
		all("POST", "pages", (*call).createPage),
		all("GET", "pages/{page_id}", (*call).getPage),
		all("PATCH", "pages/{page_id}", (*call).updatePage),
		all("POST", "pages/{page_id}/move", (*call).movePage),
		all("GET", "pages/{page_id}/properties/{property_id}", (*call).getPropertyItem),
		since25("POST", "data_sources", (*call).createSource),
		since25("GET", "data_sources/{data_source_id}", (*call).getSource),
		since25("PATCH", "data_sources/{data_source_id}", (*call).updateSource),
		since25("POST", "data_sources/{data_source_id}/query", (*call).querySource),
		since25("GET", "data_sources/{data_source_id}/templates", (*call).listTemplates),
		all("POST", "databases", (*call).createDatabase),
		all("GET", "databases/{database_id}", (*call).getDatabase),
		all("PATCH", "databases/{database_id}", (*call).updateDatabase),
		{"POST", "databases/{database_id}/query", (*call).queryDatabase, v2022, v2022},
		all("GET", "blocks/{block_id}", (*call).getBlock),
		all("PATCH", "blocks/{block_id}", (*call).updateBlock),
		all("DELETE", "blocks/{block_id}", (*call).deleteBlock),
		all("GET", "blocks/{block_id}/children", (*call).listChildren),
		all("PATCH", "blocks/{block_id}/children", (*call).appendChildren),
		all("GET", "users", (*call).listUsers),
		all("GET", "users/me", (*call).getMe),
		all("GET", "users/{user_id}", (*call).getUser),
		all("POST", "comments", (*call).createComment),
		all("GET", "comments", (*call).listComments),
		all("GET", "comments/{comment_id}", (*call).getComment),
		all("PATCH", "comments/{comment_id}", (*call).updateComment),
		all("DELETE", "comments/{comment_id}", (*call).deleteComment),
		all("POST", "search", (*call).search),
		all("POST", "file_uploads", (*call).createUpload),
		all("GET", "file_uploads", (*call).listUploads),
		all("GET", "file_uploads/{file_upload_id}", (*call).getUpload),
		all("POST", "file_uploads/{file_upload_id}/send", (*call).sendUpload),
		all("POST", "file_uploads/{file_upload_id}/complete", (*call).completeUpload),
	}
}

// findRoute matches method and escaped path; the first match wins.
func findRoute(method, path string) (*route, map[string]string) {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return nil, nil
	}
	have := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i := range routes {
		if routes[i].method != method {
			continue
		}
		if params, ok := matchPath(strings.Split(routes[i].path, "/"), have); ok {
			return &routes[i], params
		}
	}
	return nil, nil
}

func matchPath(want, have []string) (map[string]string, bool) {
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		if !strings.HasPrefix(w, "{") {
			if w != have[i] {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(have[i])
		if err != nil || v == "" {
			return nil, false
		}
		params[strings.Trim(w, "{}")] = v
	}
	return params, true
}
