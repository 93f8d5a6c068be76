package rpc

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// EncodeItem gives an item's bytes: the stored form of a value, or of an image's values by name.
func EncodeItem[T change.Value | change.Image](item T) ([]byte, error) {
	b, err := json.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("encode item: %w", err)
	}
	if len(b) > ItemBytesMax {
		return nil, fmt.Errorf("encode item: %d bytes are more than a plugin takes (%d)", len(b), ItemBytesMax)
	}
	return b, nil
}

// DecodeItem reads an item that the other side sent.
func DecodeItem[T change.Value | change.Image](b []byte) (T, error) {
	var item T
	if len(b) == 0 {
		return item, errors.New("decode item: it is empty; null is written as null")
	}
	if len(b) > ItemBytesMax {
		return item, fmt.Errorf("decode item: %d bytes are more than the limit of %d", len(b), ItemBytesMax)
	}
	if err := json.Unmarshal(b, &item); err != nil {
		return item, fmt.Errorf("decode item: %w", err)
	}
	if im, ok := any(item).(change.Image); ok && im == nil {
		return item, errors.New("decode item: want an object of fields, got null")
	}
	return item, nil
}

// EncodeDescription writes what a plugin says of itself.
func EncodeDescription(d sdk.Description) *pluginv1.DescribeResponse {
	out := &pluginv1.DescribeResponse{Name: d.Name, Version: d.Version, Summary: d.Summary, ProtocolMinor: int32(d.ProtocolMinor)}
	for _, o := range d.Offers {
		kind := pluginv1.Kind_KIND_FUNCTION
		if o.Kind == sdk.KindMapper {
			kind = pluginv1.Kind_KIND_MAPPER
		}
		out.Offers = append(out.Offers, &pluginv1.Offer{
			Name: o.Name, Kind: kind, Summary: o.Summary, ConfigSchema: o.ConfigSchema,
			RowKinds: encodeKinds(o.Row), FieldKinds: encodeKinds(o.Field),
		})
	}
	return out
}

// DecodeDescription reads and checks what a plugin says of itself.
func DecodeDescription(in *pluginv1.DescribeResponse) (sdk.Description, error) {
	d := sdk.Description{
		Name: in.GetName(), Version: in.GetVersion(), Summary: in.GetSummary(), ProtocolMinor: int(in.GetProtocolMinor()),
	}
	for _, o := range in.GetOffers() {
		od := sdk.OfferDescription{
			Name: o.GetName(), Summary: o.GetSummary(), ConfigSchema: o.GetConfigSchema(),
			Row: decodeKinds(o.GetRowKinds()), Field: decodeKinds(o.GetFieldKinds()),
		}
		switch o.GetKind() {
		case pluginv1.Kind_KIND_FUNCTION:
			od.Kind = sdk.KindFunction
		case pluginv1.Kind_KIND_MAPPER:
			od.Kind = sdk.KindMapper
		default: // a kind of a newer minor version: not for us
			continue
		}
		d.Offers = append(d.Offers, od)
	}
	if err := d.Validate(); err != nil {
		return sdk.Description{}, fmt.Errorf("plugin describes itself wrongly: %w", err)
	}
	return d, nil
}

func encodeKinds(kinds []change.Kind) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.String())
	}
	return out
}

// decodeKinds leaves out kinds that this version does not know: the list is advice.
func decodeKinds(names []string) []change.Kind {
	var out []change.Kind
	for _, name := range names {
		for k := change.Null; k <= change.Set; k++ {
			if k.String() == name {
				out = append(out, k)
			}
		}
	}
	return out
}

// EncodeDiagnostics writes problems of a configuration.
func EncodeDiagnostics(diags []sdk.Diagnostic) []*pluginv1.Diagnostic {
	var out []*pluginv1.Diagnostic
	for _, d := range diags {
		severity := pluginv1.Severity_SEVERITY_ERROR
		if d.Severity == sdk.SeverityWarning {
			severity = pluginv1.Severity_SEVERITY_WARNING
		}
		out = append(out, &pluginv1.Diagnostic{Severity: severity, Summary: d.Summary, Detail: d.Detail, Path: d.Path})
	}
	return out
}

// DecodeDiagnostics reads them; what is not called a warning is an error.
func DecodeDiagnostics(in []*pluginv1.Diagnostic) []sdk.Diagnostic {
	var out []sdk.Diagnostic
	for _, d := range in {
		severity := sdk.SeverityError
		if d.GetSeverity() == pluginv1.Severity_SEVERITY_WARNING {
			severity = sdk.SeverityWarning
		}
		out = append(out, sdk.Diagnostic{Severity: severity, Summary: d.GetSummary(), Detail: d.GetDetail(), Path: d.GetPath()})
	}
	return out
}

// EncodeError writes why an item was not turned.
func EncodeError(err error) *pluginv1.Error {
	class := pluginv1.ErrorClass_ERROR_CLASS_BAD_VALUE
	switch sdk.ClassOf(err) {
	case sdk.ClassRetry:
		class = pluginv1.ErrorClass_ERROR_CLASS_RETRY
	case sdk.ClassFatal:
		class = pluginv1.ErrorClass_ERROR_CLASS_FATAL
	case sdk.ClassBadValue:
	}
	return &pluginv1.Error{ErrorClass: class, Reason: err.Error()}
}

// DecodeError reads it.
func DecodeError(in *pluginv1.Error) error {
	class := sdk.ClassBadValue
	switch in.GetErrorClass() {
	case pluginv1.ErrorClass_ERROR_CLASS_RETRY:
		class = sdk.ClassRetry
	case pluginv1.ErrorClass_ERROR_CLASS_FATAL:
		class = sdk.ClassFatal
	}
	reason := in.GetReason()
	if reason == "" {
		reason = "plugin refused the value without a reason"
	}
	return &sdk.Error{Class: class, Reason: reason}
}
