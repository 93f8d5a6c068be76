// Package notionapi is the only package that knows Notion's wire format: the client, the transport under it, and the codec of
// property values and schemas.
//
// # The model
//
// A [Client] speaks for one token. Every request of it goes through one stack of http.RoundTrippers, assembled in [assemble]:
//
//		adapt → retry → limit → sema → log → exchange → Config.Transport
//
//	  - adapt turns what jomei/notionapi wants to send into what Notion takes today (data sources, no "archived") and every answer that is
//	    not a plain 200 into an [Error], so that the library never meets an answer that it reads wrongly;
//	  - retry repeats what is safe to repeat: 429 and 529 for every method, network errors and 5xx for reads only;
//	  - limit asks the [Budget] once per attempt, and tells it when Notion says "later";
//	  - sema bounds the requests in flight;
//	  - log reports each attempt; exchange reads the whole answer, bounded in bytes and time.
//
// Retry stands outside limit: each attempt pays.
//
// # What a write can end as
//
// A write (POST and PATCH, but not a query or a search) ends applied, not applied, or unknown ([Outcome]). Nothing in this
// package repeats a write that may have been applied: ask [Unknown] and look the page up before writing again. A 503 that names what it
// committed is [Applied], with the id in [Error.CommittedID].
//
// # Values
//
// A [Property] holds what one page says for one property as a change.Value in canonical form ([Canon]): what is read after a write of x is
// Canon(x). Types that this package does not know decode as absent, never as an error, and keep their JSON in [Property.Raw].
// What Notion cannot hold is refused by [EncodeProperty] with a [ValueError] in plain words, before anything is sent.
//
// Properties are known by id. Notion writes ids URL-encoded in its answers; maps in this package are keyed by [CanonicalID], which any
// form of the id may be passed through.
//
// # What is not promised
//
// Times of pages are minutes ([Page.Edited] means somewhere in the 60 seconds from there on). A query is served from an index that may lag: only
// [Client.Page] and the answer of a write tell what a page holds now. A page read says nothing of values beyond 25 where
// [Property.HasMore] is set; [Client.Complete] reads the rest. A 404 means "not there or not shared", never "deleted".
//
// All methods of [Client] may be called from any goroutine. Nothing here starts one, except net/http.
//
// Sources: https://developers.notion.com/reference, versions 2025-09-03 and 2026-03-11.
package notionapi
