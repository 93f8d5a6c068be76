package emulator

import (
	"math"
	"strconv"
)

// pageMax is the largest and the default page_size.
const pageMax = 100

// list makes a list answer: kind is its "type" and the empty object beside it.
func list(results []any, next any, kind string) *object {
	return obj("object", "list", "results", results, "next_cursor", next, "has_more", next != nil, "type", kind, kind, obj())
}

// querySize reads page_size of a GET. 0 is the default, as the service has it.
func (c *call) querySize() (int, *apiError) {
	raw := c.query.Get("page_size")
	if raw == "" {
		return pageMax, nil
	}
	n, err := strconv.Atoi(raw)
	switch {
	case err != nil:
		return 0, failed("query", one(should("query.page_size", "a number or `undefined`", raw)))
	case n > pageMax:
		return 0, failed("query", one("query.page_size should be ≤ `100` or `undefined`, instead was `"+raw+"`."))
	case n < 0:
		return 0, failed("query", one("query.page_size should be ≥ `1` or `undefined`, instead was `"+raw+"`."))
	case n == 0:
		return pageMax, nil
	}
	return n, nil
}

// bodySize reads page_size of a POST.
func bodySize(b *object) (int, []string) {
	switch v := b.get("page_size").(type) {
	case undefined:
		return pageMax, nil
	case float64:
		switch {
		case v > pageMax:
			return 0, one("body.page_size should be ≤ `100` or `undefined`, instead was " + quoted(v) + ".")
		case v < 0 || v != math.Trunc(v):
			return 0, one(should("body.page_size", "a positive integer or `undefined`", v))
		case v == 0:
			return pageMax, nil
		}
		return int(v), nil
	default:
		return 0, one(should("body.page_size", "a number or `undefined`", v))
	}
}

// bodyCursor reads start_cursor of a POST; null is none.
func bodyCursor(b *object) (string, []string) {
	switch v := b.get("start_cursor").(type) {
	case undefined, nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", one(should("body.start_cursor", "a string, `null`, or `undefined`", v))
	}
}

func errCursor(cursor string) *apiError {
	return invalid("The start_cursor provided is invalid: %s", cursor)
}

// slice pages through ids with the id of the next item as cursor. strict lists
// refuse a cursor that is no uuid as a validation failure of the query.
func (c *call) slice(ids []string, strict bool) (part []string, next any, e *apiError) {
	size, e := c.querySize()
	if e != nil {
		return nil, nil, e
	}
	first := 0
	if raw := c.query.Get("start_cursor"); raw != "" {
		id, ok := parseUUID(raw)
		if !ok && strict {
			return nil, nil, failed("query", one(should("query.start_cursor", "a valid uuid or `undefined`", raw)))
		}
		first = -1
		for i, have := range ids {
			if have == id {
				first = i
			}
		}
		if first < 0 {
			return nil, nil, errCursor(raw)
		}
	}
	end := min(first+size, len(ids))
	if end < len(ids) {
		next = ids[end]
	}
	return ids[first:end], next, nil
}
