package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Decode resolves the references in m and fills d, and reports everything that is wrong at once: types, missing keys, what
// Validate of a key and of d says, and, as warnings, keys that nobody knows. Fields whose key is missing or wrong hold their default.
func Decode(m Map, r Resolver, d Definable) Problems {
	set := define(d)
	var problems Problems
	known := map[string]bool{}
	for _, e := range set.entries {
		if e.Prefix {
			e.decodePrefix(m, r, set, known, &problems)
			continue
		}
		known[e.Name] = true
		e.decode(m, r, &problems)
	}
	problems = append(problems, crossCheck(d, problems)...)
	return append(problems, unknown(m, known, set, d)...)
}

// decode fills one field.
func (e entry) decode(m Map, r Resolver, problems *Problems) {
	if e.Default != "" {
		if err := e.parse(e.Default); err != nil {
			panic(fmt.Sprintf("config: the default of %s: %v", e.Name, err))
		}
	}
	raw, given := m[e.Name]
	if !given || raw == "" {
		if e.Required {
			problems.Errorf(e.Name, "missing%s", because(e.Doc))
		}
		return
	}
	text, err := r.Resolve(raw)
	switch {
	case err != nil:
		problems.Errorf(e.Name, "%v", err)
		return
	case text == "" && e.Required:
		problems.Errorf(e.Name, "is empty: %s has no content", raw)
		return
	case text == "":
		return
	}
	if err := e.take(text); err != nil {
		*problems = append(*problems, e.complain(raw, text, err))
	}
}

// take validates before it parses into the field for good, so that a wrong value never stays in it.
func (e entry) take(text string) error {
	if e.Type != TypeString && e.Type != TypePassword {
		text = strings.TrimSpace(text)
	}
	if err := e.parse(text); err != nil {
		return err
	}
	if e.Validate == nil {
		return nil
	}
	err := e.Validate(text)
	if err != nil && e.Default != "" {
		_ = e.parse(e.Default) // was parsed before
	}
	return err
}

// complain words a problem without the value, where the value may be secret.
func (e entry) complain(raw, text string, err error) Problem {
	p := Problem{Path: e.Name, Summary: err.Error(), Severity: SeverityError}
	secret := e.Type == TypePassword || HasReference(raw)
	if secret && leaks(p.Summary, text) {
		p.Summary = "is not valid (what is wrong with it is not shown, because that would show part of it)"
	}
	switch {
	case !secret:
		p.Detail = fmt.Sprintf("got %q", shorten(raw))
	case HasReference(raw) && e.Type != TypePassword:
		p.Detail = "got the content of " + strings.Join(reference.FindAllString(raw, -1), ", ")
	}
	return p
}

// leaks tells whether message holds a piece of secret that is worth hiding.
func leaks(message, secret string) bool {
	const piece = 4
	if len(secret) <= piece {
		return secret != "" && strings.Contains(message, secret)
	}
	for i := 0; i+piece <= len(secret); i++ {
		if strings.Contains(message, secret[i:i+piece]) {
			return true
		}
	}
	return false
}

// decodePrefix collects the keys that begin with e.Name and are not keys of their own.
func (e entry) decodePrefix(m Map, r Resolver, set *Set, known map[string]bool, problems *Problems) {
	out := Map{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		rest, ok := strings.CutPrefix(name, e.Name)
		if _, own := set.byName[name]; !ok || own || rest == "" {
			continue
		}
		known[name] = true
		text, err := r.Resolve(m[name])
		if err != nil {
			problems.Errorf(name, "%v", err)
			continue
		}
		if e.Validate != nil && text != "" {
			if err := e.Validate(text); err != nil {
				*problems = append(*problems, e.named(name).complain(m[name], text, err))
				continue
			}
		}
		out[rest] = text
	}
	e.many(out)
}

func (e entry) named(name string) entry { e.Name = name; return e }

// crossCheck asks the struct's own Validate, and leaves out what it says of keys that are wrong by themselves.
func crossCheck(d Definable, already Problems) Problems {
	v, ok := d.(interface{ Validate() error })
	if !ok {
		return nil
	}
	var out Problems
	for _, p := range problemsOf(v.Validate()) {
		if p.Path == "" || !already.has(p.Path) {
			out = append(out, p)
		}
	}
	return out
}

// problemsOf takes an error apart: Problems as they are, joined errors one by one.
func problemsOf(err error) Problems {
	switch e := err.(type) { //nolint:errorlint // the shape of this very error is asked for, not what it wraps
	case nil:
		return nil
	case Problems:
		return e
	case interface{ Unwrap() []error }:
		var out Problems
		for _, one := range e.Unwrap() {
			out = append(out, problemsOf(one)...)
		}
		return out
	}
	return Problems{{Summary: err.Error(), Severity: SeverityError}}
}

// unknown warns about keys that nothing reads. Values are not shown: the key may be a password's, mistyped. Of keys that belong to a program whose
// configurations people bring along, the struct's own Foreign says what takes their place.
func unknown(m Map, known map[string]bool, set *Set, d Definable) Problems {
	var out Problems
	foreign, _ := d.(interface {
		Foreign(key string) (advice string, known bool)
	})
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if known[name] {
			continue
		}
		p := Problem{Path: shorten(name), Summary: "unknown key, which nothing reads", Severity: SeverityWarning}
		if foreign != nil {
			if advice, ok := foreign.Foreign(name); ok {
				out = append(out, Problem{Path: name, Summary: "a key of Debezium's, which has no effect here", Detail: advice, Severity: SeverityWarning})
				continue
			}
		}
		if near := nearest(name, set, m); near != "" {
			p.Detail = "did you mean " + near + "?"
		}
		out = append(out, p)
	}
	return out
}

// because takes the first sentence of a key's documentation, as advice beside "missing".
func because(doc string) string {
	first, _, _ := strings.Cut(doc, ". ")
	if first = strings.TrimSuffix(strings.TrimSpace(first), "."); first == "" {
		return ""
	}
	return ": " + first
}
