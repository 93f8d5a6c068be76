// Package sdk is what an author of mapping plugins writes against: the contract, the lifecycle and the errors. The same
// contract serves the rules that are built into Tandem and the ones that run as processes of their own, in Go or in any
// other language (package rpc has the wire form).
//
// # Where a plugin sits
//
//	CRM row ──► ToNotion ──► field ──► merge ──► Notion page
//	CRM row ◄── ToCRM    ◄── field ◄── merge ◄── Notion page
//
// A plugin sits at the CRM's edge: what it returns from ToNotion is the field's value, what it returns from ToCRM is what
// the row holds. There are two kinds: a [Function] turns one field's value, a [Mapper] a whole record.
//
// # The laws
//
// Tandem compares values to find out who changed what, so a plugin must be pure (the same configuration and value give the
// same answer, today and tomorrow, in every process) and must come back to where it was:
//
//	ToNotion(ToCRM(f)) == f      for every f that ToNotion returned
//	canon(canon(f)) == canon(f)  where canon(f) = ToNotion(ToCRM(f)), for every f that ToCRM accepts
//
// A plugin that breaks them makes two sides answer each other for ever. Package plugintest checks them.
//
// # The lifecycle
//
//	New ─► strict decode of the configuration ─► Provision ─► Validate ─► use ─► Cleanup
//
// New has no side effects. The instance itself is the configuration: a pointer to a struct with json tags. A name that the
// struct does not have is an error, all errors are reported at once. Provision prepares (parse a zone, compile a pattern); Validate
// says what is wrong with the configuration. Cleanup runs once whenever Provision was called, even when it failed.
//
// # What is not promised
//
// Calls to one instance come one at a time; calls to different instances may overlap. An absent value (one that was not read)
// never reaches a Function, null does. Nothing that a plugin does can make Tandem write a field that is not in the mapping.
package sdk
