// Package change holds the vocabulary that every part of Tandem shares: a [Value], an [Image] of an entity, and an
// [Event], one committed change of one row or page, with the codec for Debezium's envelope.
//
// A value keeps what PostgreSQL (or Notion) said and nothing less: 64-bit integers stay integers, decimals stay exact,
// a date is not a timestamp, and null, empty and absent are three different things. Absent means "not read" (an
// unchanged TOAST column, a property that was not asked for) and is never written anywhere.
//
// The package imports the standard library only; everything else may import it.
package change
