package emulator

// user is a member of the workspace, a person or a bot.
type user struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	Bot   bool   `json:"bot,omitempty"`
}

// integration is a token and the bot that acts for it.
type integration struct{ Token, Name, BotID string }

func (s *State) user(id string) *user {
	for _, u := range s.data.Users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

// userJSON is the user as people values and /users show it; who is unknown is partial.
func (s *State) userJSON(id string) *object {
	u := s.user(id)
	if u == nil {
		return s.userRef(id)
	}
	o := obj("object", "user", "id", u.ID, "name", u.Name, "avatar_url", nil)
	if !u.Bot {
		return o.set("type", "person").set("person", obj("email", u.Email))
	}
	return o.set("type", "bot").set("bot", obj("owner", obj("type", "workspace", "workspace", true),
		"workspace_name", s.cfg.WorkspaceName, "workspace_id", s.data.SpaceID,
		"workspace_limits", obj("max_file_upload_size_in_bytes", uploadMax)))
}

func (c *call) getMe() (*object, *apiError) { return c.s.userJSON(c.integ.BotID), nil }

func (c *call) getUser() (*object, *apiError) {
	id, e := c.pathID("user_id")
	if e != nil {
		return nil, e
	}
	if c.s.user(id) == nil {
		return nil, &apiError{status: 404, code: "object_not_found", message: "Could not find user with ID: " + id + ".",
			data: obj("integration_id", c.integ.BotID)}
	}
	return c.s.userJSON(id), nil
}

func (c *call) listUsers() (*object, *apiError) {
	ids := make([]string, 0, len(c.s.data.Users))
	for _, u := range c.s.data.Users {
		ids = append(ids, u.ID)
	}
	part, next, e := c.slice(ids, false)
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, id := range part {
		out = append(out, c.s.userJSON(id))
	}
	return list(out, next, "user"), nil
}
