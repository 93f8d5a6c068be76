package main

import "github.com/tandem-sync/tandem/connector/config"

// formatProblems finds sources whose records the sinks of the same sync cannot read: those read JSON, with or without schemas.
func (a *app) formatProblems(docs []document) (problems config.Problems) {
	readers := map[string]string{} // file, by sync
	for _, doc := range docs {
		if class, _ := a.registry().Lookup(doc.Config["connector.class"]); class.Name == "sink.NotionSink" {
			readers[syncOf(doc)] = doc.file
		}
	}
	for _, doc := range docs {
		class, _ := a.registry().Lookup(doc.Config["connector.class"])
		reader, read := readers[syncOf(doc)]
		if class.Name != "cdc.PostgresSource" || !read {
			continue
		}
		k := &cdcKeys{}
		_ = a.decode(doc.Document, k) // what is wrong with it is said elsewhere
		for _, side := range []struct {
			key  string
			avro bool
		}{{"key.converter", k.Converters.Key.IsAvro()}, {"value.converter", k.Converters.Value.IsAvro()}} {
			if side.avro {
				problems.Errorf(doc.file+": "+side.key, "the sink of %s reads JSON only, with or without schemas: choose that, or write Avro with a source of another sync", reader)
			}
		}
	}
	return problems
}

func syncOf(doc document) string {
	if sync := doc.Config["sync"]; sync != "" {
		return sync
	}
	return "tandem"
}
