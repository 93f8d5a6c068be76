package converter

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
)

// Kind is a converter, by Connect's class or its alias.
type Kind string

// The converters.
const (
	None      Kind = "" // JSON without schemas
	JSON      Kind = "json"
	Avro      Kind = "avro"
	jsonClass      = "org.apache.kafka.connect.json.JsonConverter"
	avroClass      = "io.confluent.connect.avro.AvroConverter"
)

var kinds = map[string]Kind{
	"": None, "json": JSON, "Json": JSON, "JsonConverter": JSON, jsonClass: JSON,
	"avro": Avro, "Avro": Avro, "AvroConverter": Avro, avroClass: Avro,
}

// Config holds the keys of both converters, with the names that they have in Connect and Debezium.
type Config struct {
	Key, Value            Side
	SchemaNames, Fields   Adjustment // schema.name.adjustment.mode, field.name.adjustment.mode
	RegistryCA            string     // PEM files: how the registries are reached by https
	RegistryCert, PrivKey string
}

// Side is the converter of keys, or of values.
type Side struct {
	Converter   string
	Schemas     string // schemas.enable: "" is true for a converter that is named, as in Connect, and false for none
	Registry    []string
	Credentials string // basic.auth.credentials.source
	UserInfo    config.Secret
	Register    bool   // auto.register.schemas
	Latest      bool   // use.latest.version
	Strategy    string // subject.name.strategy
}

func (s Side) kind() Kind { return kinds[s.Converter] }

// schemas says whether records carry one, or its id.
func (s Side) schemas() bool {
	switch s.kind() {
	case Avro:
		return true
	case JSON:
		return s.Schemas != "false"
	}
	return s.Schemas == "true"
}

// Strategies of subjects' names.
const (
	topicNames       = "TopicNameStrategy"
	recordNames      = "RecordNameStrategy"
	topicRecordNames = "TopicRecordNameStrategy"
	strategyPackage  = "io.confluent.kafka.serializers.subject."
)

func (s Side) strategy() string { return strings.TrimPrefix(s.Strategy, strategyPackage) }

// Define tells of the keys.
func (c *Config) Define(s *config.Set) {
	const group = "Converters"
	c.Key.define(s, "key")
	c.Value.define(s, "value")
	modes := []Adjustment{AdjustNone, AdjustAvro, AdjustAvroUnicode}
	config.Enum(s, &c.SchemaNames, config.Key{Name: "schema.name.adjustment.mode", Default: string(AdjustNone), Importance: config.Low, Group: group,
		Doc: "How names of schemas are changed that Avro does not take: avro puts an underscore for each such character, avro_unicode _u and its number."}, modes...)
	config.Enum(s, &c.Fields, config.Key{Name: "field.name.adjustment.mode", Default: string(AdjustNone), Importance: config.Low, Group: group,
		Doc: "The same for names of columns, in every format."}, modes...)
	s.String(&c.RegistryCA, config.Key{Name: "schema.registry.ssl.ca.location", Importance: config.Low, Group: group, Doc: "A PEM file of the authorities that may sign the registry's certificate; else the system's."})
	s.String(&c.RegistryCert, config.Key{Name: "schema.registry.ssl.certificate.location", Importance: config.Low, Group: group, Doc: "A PEM file of our certificate."})
	s.String(&c.PrivKey, config.Key{Name: "schema.registry.ssl.key.location", Importance: config.Low, Group: group, Doc: "A PEM file of that certificate's key."})
}

func (s *Side) define(set *config.Set, side string) {
	const group = "Converters"
	prefix := side + ".converter"
	truth := config.OneOf("true", "false")
	set.String(&s.Converter, config.Key{Name: prefix, Importance: config.Medium, Group: group,
		Doc:      "How " + side + "s are written: " + jsonClass + " (or json), " + avroClass + " (or avro). Empty: JSON without schemas. See docs/converters.md.",
		Validate: config.OneOf(slices.Sorted(names)...)})
	set.String(&s.Schemas, config.Key{Name: prefix + ".schemas.enable", Importance: config.Medium, Group: group, Validate: truth,
		Doc: "Whether each JSON " + side + " carries its schema: {\"schema\":…,\"payload\":…}. Empty: true where " + prefix + " is given, as in Kafka Connect, else false."})
	set.List(&s.Registry, config.Key{Name: prefix + ".schema.registry.url", Importance: config.Medium, Group: group,
		Doc: "The addresses of the schema registry, with commas between them. Avro needs it."})
	set.String(&s.Credentials, config.Key{Name: prefix + ".basic.auth.credentials.source", Default: "URL", Importance: config.Low, Group: group,
		Doc: "Where the registry's user and password stand: URL or USER_INFO.", Validate: config.OneOf("URL", "USER_INFO")})
	set.Password(&s.UserInfo, config.Key{Name: prefix + ".basic.auth.user.info", Importance: config.Low, Group: group, Doc: "user:password, with USER_INFO."})
	set.Bool(&s.Register, config.Key{Name: prefix + ".auto.register.schemas", Default: "true", Importance: config.Low, Group: group,
		Doc: "Whether schemas that the registry does not have are registered. Else somebody registers them beforehand."})
	set.Bool(&s.Latest, config.Key{Name: prefix + ".use.latest.version", Default: "false", Importance: config.Low, Group: group,
		Doc: "Whether the subject's newest schema is used, without auto.register.schemas. It must have the fields and types of the table."})
	set.String(&s.Strategy, config.Key{Name: prefix + "." + side + ".subject.name.strategy", Default: strategyPackage + topicNames, Importance: config.Low, Group: group,
		Doc:      "The subject under which a schema is registered: TopicNameStrategy ({topic}-" + side + "), RecordNameStrategy (the schema's name) or TopicRecordNameStrategy ({topic}-{name}).",
		Validate: config.OneOf(topicNames, recordNames, topicRecordNames, strategyPackage+topicNames, strategyPackage+recordNames, strategyPackage+topicRecordNames)})
}

func names(yield func(string) bool) {
	for name := range kinds {
		if name != "" && !yield(name) {
			return
		}
	}
}

// Problems reports everything that is wrong between keys.
func (c Config) Problems() (problems config.Problems) {
	c.Key.problems("key.converter", &problems)
	c.Value.problems("value.converter", &problems)
	if (c.RegistryCert == "") != (c.PrivKey == "") {
		problems.Errorf("schema.registry.ssl.certificate.location", "a certificate and its key (schema.registry.ssl.key.location) belong together")
	}
	return problems
}

func (s Side) problems(prefix string, problems *config.Problems) {
	if _, known := kinds[s.Converter]; !known {
		problems.Errorf(prefix, "%q is no converter that we have: %s or %s", s.Converter, jsonClass, avroClass)
	}
	if s.kind() != Avro {
		if len(s.Registry) > 0 {
			problems.Warnf(prefix+".schema.registry.url", "nobody asks it: only %s does", avroClass)
		}
		return
	}
	if s.Schemas == "false" {
		problems.Errorf(prefix+".schemas.enable", "Avro has no values without schemas: leave it out, or use %s", jsonClass)
	}
	if len(s.Registry) == 0 {
		problems.Errorf(prefix+".schema.registry.url", "missing: %s needs a schema registry", avroClass)
	}
	for _, at := range s.Registry {
		if u, err := url.Parse(at); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			problems.Errorf(prefix+".schema.registry.url", "must be http://host:port or https://host:port") // not its text: it may hold a password
		}
	}
	user, _, isPair := strings.Cut(s.UserInfo.Reveal(), ":")
	if s.Credentials == "USER_INFO" && (!isPair || user == "") {
		problems.Errorf(prefix+".basic.auth.user.info", "must be user:password, since %s.basic.auth.credentials.source is USER_INFO", prefix)
	}
	if s.Credentials != "USER_INFO" && s.UserInfo.Reveal() != "" {
		problems.Errorf(prefix+".basic.auth.user.info", "is not used: set %s.basic.auth.credentials.source=USER_INFO", prefix)
	}
	if s.Latest && s.Register {
		problems.Errorf(prefix+".use.latest.version", "contradicts %s.auto.register.schemas=true: a schema is registered, or the newest one used", prefix)
	}
}

// Needed reports that something other than JSON without schemas is written, or names are changed in it.
func (c Config) Needed() bool {
	return c.Key.schemas() || c.Value.schemas() || c.Fields.changes()
}

// IsAvro reports that readers need the schema registry.
func (s Side) IsAvro() bool { return s.kind() == Avro }
