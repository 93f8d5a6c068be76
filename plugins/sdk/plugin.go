package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/tandem-sync/tandem/connector/change"
)

// ProtocolMinor is the revision of the contract within its major version, as [Description] reports it. It grows when
// something is added that an older peer may ignore; the major version is the handshake's business.
const ProtocolMinor = 0

// Kind says what an offer turns: one value or a whole record.
type Kind string

// The kinds of offers.
const (
	KindFunction Kind = "function"
	KindMapper   Kind = "mapper"
)

// Function turns one field's value. The package comment has its laws.
type Function interface {
	ToNotion(row change.Value) (change.Value, error)
	ToCRM(field change.Value) (change.Value, error)
}

// Mapper turns a whole record. A field that is missing from an image was not read; a mapper that needs it leaves out what it
// would have made of it.
type Mapper interface {
	ToNotion(row change.Image) (change.Image, error)
	ToCRM(fields change.Image) (change.Image, error)
}

// Provisioner is implemented by instances that prepare themselves after their configuration was read. Provision must be
// cheap and local: it also runs when a mapping is only checked.
type Provisioner interface {
	Provision(ctx context.Context) error
}

// Validator is implemented by instances that can say more about their configuration than its JSON Schema does.
type Validator interface {
	Validate() []Diagnostic
}

// Cleaner is implemented by instances that hold something. Cleanup must work after a Provision that failed half way.
type Cleaner interface {
	Cleanup() error
}

// Offer is one function or mapper of a plugin.
type Offer struct {
	// Name is what mappings say after the plugin's name and a dot: lower-case letters, digits, "_".
	Name string

	// Summary is one line for people.
	Summary string

	// Row and Field list the kinds of value on the CRM's and on Notion's side, beside null. Empty means any. For people and
	// for checks of a mapping; a mapper leaves them empty.
	Row, Field []change.Kind

	// New makes an instance, a pointer to a struct whose json tags are the configuration, preset with its defaults. It
	// implements [Function] or [Mapper] and has no side effects.
	New func() any
}

// Plugin is what an author gives: a name, a version, and what it offers.
type Plugin struct {
	Name    string
	Version string
	Summary string
	Offers  []Offer
}

// Description is what a plugin says of itself, without anything of it being configured.
type Description struct {
	Name          string
	Version       string
	Summary       string
	ProtocolMinor int
	Offers        []OfferDescription
}

// OfferDescription is what a plugin says of one offer.
type OfferDescription struct {
	Name         string
	Kind         Kind
	Summary      string
	Row, Field   []change.Kind
	ConfigSchema json.RawMessage // JSON Schema, draft 2020-12
}

// Offer finds an offer by name.
func (d Description) Offer(name string) (OfferDescription, bool) {
	for _, o := range d.Offers {
		if o.Name == name {
			return o, true
		}
	}
	return OfferDescription{}, false
}

var nameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// Validate reports everything that is wrong with what a peer says of itself.
func (d Description) Validate() error {
	var errs []error
	if !nameRule.MatchString(d.Name) {
		errs = append(errs, fmt.Errorf("plugin name %q: want a lower-case letter, then letters, digits or _", d.Name))
	}
	if len(d.Offers) == 0 {
		errs = append(errs, errors.New("plugin offers nothing"))
	}
	seen := map[string]bool{}
	for _, o := range d.Offers {
		if !nameRule.MatchString(o.Name) {
			errs = append(errs, fmt.Errorf("offer name %q: want a lower-case letter, then letters, digits or _", o.Name))
		}
		if seen[o.Name] {
			errs = append(errs, fmt.Errorf("offer %q: offered twice", o.Name))
		}
		seen[o.Name] = true
		if o.Kind != KindFunction && o.Kind != KindMapper {
			errs = append(errs, fmt.Errorf("offer %q: unknown kind %q", o.Name, o.Kind))
		}
		if len(o.ConfigSchema) > 0 && !json.Valid(o.ConfigSchema) {
			errs = append(errs, fmt.Errorf("offer %q: its configuration's schema is not JSON", o.Name))
		}
	}
	return errors.Join(errs...)
}

// Describe says what p offers, with the schemas of its configurations.
func (p Plugin) Describe() (Description, error) {
	d := Description{Name: p.Name, Version: p.Version, Summary: p.Summary, ProtocolMinor: ProtocolMinor}
	for _, o := range p.Offers {
		od, err := o.describe()
		if err != nil {
			return Description{}, fmt.Errorf("offer %q of plugin %q: %w", o.Name, p.Name, err)
		}
		d.Offers = append(d.Offers, od)
	}
	return d, d.Validate()
}

func (o Offer) describe() (OfferDescription, error) {
	if o.New == nil {
		return OfferDescription{}, errors.New("has no New")
	}
	instance := o.New()
	kind, err := kindOf(instance)
	if err != nil {
		return OfferDescription{}, err
	}
	schema, err := schemaOf(instance)
	if err != nil {
		return OfferDescription{}, err
	}
	return OfferDescription{Name: o.Name, Kind: kind, Summary: o.Summary, Row: o.Row, Field: o.Field, ConfigSchema: schema}, nil
}

func kindOf(instance any) (Kind, error) {
	switch instance.(type) {
	case Function:
		return KindFunction, nil
	case Mapper:
		return KindMapper, nil
	default:
		return "", fmt.Errorf("%T is neither a Function nor a Mapper", instance)
	}
}
