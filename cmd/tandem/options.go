package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tandem-sync/tandem/connector"
	"github.com/tandem-sync/tandem/connector/config"
)

type optionsOptions struct {
	*globalOptions
	Markdown bool
	JSON     bool
}

func newOptionsCommand(g *globalOptions) *cobra.Command {
	o := &optionsOptions{globalOptions: g}
	c := &cobra.Command{
		Use:   "options [CLASS]",
		Short: "List what can be set in the file of a connector: keys, defaults, and what they do",
		Long: `Options lists the keys of a class of connectors (cdc.PostgresSource, or just PostgresSource), or of all classes: name, type, default and what the key does, in
groups. Names are Debezium's and Kafka Connect's where they mean the same. --json has the shape of Kafka Connect's REST API; docs/options.md is what --markdown prints.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return o.run(args) },
	}
	c.Flags().BoolVar(&o.Markdown, "markdown", false, "print Markdown")
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	c.MarkFlagsMutuallyExclusive("markdown", "json")
	return c
}

func (o *optionsOptions) run(args []string) error {
	a, err := o.app()
	if err != nil {
		return err
	}
	registry := a.registry()
	classes := registry.Classes()
	if len(args) == 1 {
		class, ok := registry.Lookup(args[0])
		if !ok {
			return usagef("there is no class %q; there are %s", args[0], strings.Join(namesOf(classes), ", "))
		}
		classes = []connector.Class{class}
	}
	switch {
	case o.JSON:
		return o.out.json(described(classes))
	case o.Markdown:
		o.out.printf("%s", optionsMarkdown(classes))
	default:
		for _, class := range classes {
			o.show(class)
		}
	}
	return nil
}

func namesOf(classes []connector.Class) []string {
	var out []string
	for _, c := range classes {
		out = append(out, c.Name)
	}
	return out
}

// describedKey is a key as GET /connector-plugins/{class}/config of Kafka Connect has it, and the values that it takes.
type describedKey struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Required      bool     `json:"required"`
	Default       *string  `json:"default_value"`
	Importance    string   `json:"importance"`
	Documentation string   `json:"documentation"`
	Group         string   `json:"group"`
	Values        []string `json:"recommended_values"`
}

func described(classes []connector.Class) map[string][]describedKey {
	out := map[string][]describedKey{}
	for _, class := range classes {
		for _, d := range class.Definitions {
			k := describedKey{Name: shownName(d), Type: string(d.Type), Required: d.Required, Importance: string(d.Importance), Documentation: d.Doc, Group: d.Group, Values: d.Values}
			if d.Default != "" {
				k.Default = &d.Default
			}
			if k.Values == nil {
				k.Values = []string{}
			}
			out[class.Name] = append(out[class.Name], k)
		}
	}
	return out
}

// shownName marks the beginning of many keys with a star.
func shownName(d config.Definition) string {
	if d.Prefix {
		return d.Name + "*"
	}
	return d.Name
}

// inGroups gives definitions group by group, each group where its first key stands.
func inGroups(all []config.Definition) (groups []string, of map[string][]config.Definition) {
	of = map[string][]config.Definition{}
	for _, d := range all {
		if _, known := of[d.Group]; !known {
			groups = append(groups, d.Group)
		}
		of[d.Group] = append(of[d.Group], d)
	}
	return groups, of
}

func (o *optionsOptions) show(class connector.Class) {
	o.out.printf("%s\n", class.Name)
	groups, of := inGroups(class.Definitions)
	for _, group := range groups {
		o.out.printf("\n  %s\n", group)
		for _, d := range of[group] {
			o.out.printf("\n    %s  (%s)\n%s\n", shownName(d), strings.Join(facts(d), ", "), wrapped(d.Doc, "        ", 120))
		}
	}
	o.out.printf("\n")
}

// facts are what is to be known of a key beside its description.
func facts(d config.Definition) []string {
	out := []string{strings.ToLower(string(d.Type))}
	if len(d.Values) > 0 {
		out = []string{strings.Join(d.Values, " | ")}
	}
	switch {
	case d.Required:
		out = append(out, "required")
	case d.Default != "":
		out = append(out, "default "+d.Default)
	}
	return out
}

// wrapped breaks a text into lines of at most so many characters, indented.
func wrapped(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != indent {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return b.String() + line
}

func optionsMarkdown(classes []connector.Class) string {
	var b strings.Builder
	b.WriteString("# Options\n\nWhat can be set in a connector's file, as `tandem options` prints it. Names are Debezium's and Kafka Connect's where they mean the same; times are in milliseconds.\n" +
		"`${env:NAME}` and `${file:path:key}` stand for secrets.\n")
	for _, class := range classes {
		fmt.Fprintf(&b, "\n## %s\n", class.Name)
		groups, of := inGroups(class.Definitions)
		for _, group := range groups {
			fmt.Fprintf(&b, "\n### %s\n\n| key | value | what it does |\n| --- | --- | --- |\n", group)
			for _, d := range of[group] {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", shownName(d), tableCell(strings.Join(facts(d), ", ")), tableCell(d.Doc))
			}
		}
	}
	return b.String()
}

// tableCell is a text in a table of Markdown.
func tableCell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
