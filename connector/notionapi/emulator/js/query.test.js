import test, { before } from "node:test"
import assert from "node:assert/strict"
import { iteratePaginatedAPI, collectPaginatedAPI, collectAllDataSourceRows } from "@notionhq/client"
import { notion, notion26, client, admin, refused, row, rt, table, users } from "./judge.js"

let ds, other, ada, target

before(async () => {
  const people = (await users()).filter(u => !u.bot)
  ada = people[0].id
  const t = await table("Target", { Name: { title: {} }, N: { number: {} } })
  other = t.ds
  target = (await row(other, { Name: { title: rt("t") }, N: { number: 7 } })).id
  ds = (await table("Query", {
    Name: { title: {} }, Notes: { rich_text: {} }, N: { number: {} }, Ok: { checkbox: {} },
    Tag: { select: { options: [{ name: "low" }, { name: "high" }] } }, Tags: { multi_select: {} }, Stage: { status: {} },
    Due: { date: {} }, Who: { people: {} }, Docs: { files: {} }, Site: { url: {} }, Mail: { email: {} }, Tel: { phone_number: {} },
    Rel: { relation: { data_source_id: t.ds, single_property: {} } }, Nr: { unique_id: {} },
    Sum: { rollup: { relation_property_name: "Rel", rollup_property_name: "N", function: "sum" } },
    Made: { created_time: {} }, Edited: { last_edited_time: {} }, Maker: { created_by: {} }, Editor: { last_edited_by: {} },
    F: { formula: { expression: "1" } },
  })).ds
  await row(ds, {
    Name: { title: rt("Alpha") }, Notes: { rich_text: rt("first note") }, N: { number: 1 }, Ok: { checkbox: true },
    Tag: { select: { name: "low" } }, Tags: { multi_select: [{ name: "x" }] }, Stage: { status: { name: "Done" } },
    Due: { date: { start: "2026-01-10" } }, Who: { people: [{ id: ada }] }, Docs: { files: [{ name: "f", external: { url: "https://f.test" } }] },
    Site: { url: "https://a.test" }, Mail: { email: "a@a.test" }, Tel: { phone_number: "1" }, Rel: { relation: [{ id: target }] },
  })
  await row(ds, { Name: { title: rt("Beta") }, N: { number: 2 }, Tag: { select: { name: "high" } }, Due: { date: { start: "2026-02-10T12:00:00Z" } } })
  await row(ds, { Name: { title: rt("Gamma") } })
})

const find = async (filter, more = {}) =>
  (await notion.dataSources.query({ data_source_id: ds, filter, ...more })).results
    .map(p => p.properties.Name.title[0].plain_text).sort().join(" ")
const on = (property, type, cond) => ({ property, [type]: cond })

const cases = [
  [on("Name", "title", { equals: "Alpha" }), "Alpha"],
  [on("Name", "title", { does_not_equal: "Alpha" }), "Beta Gamma"],
  [on("Name", "title", { contains: "a" }), "Alpha Beta Gamma"],
  [on("Name", "title", { does_not_contain: "et" }), "Alpha Gamma"],
  [on("Name", "title", { starts_with: "Al" }), "Alpha"],
  [on("Name", "title", { ends_with: "ta" }), "Beta"],
  [on("Notes", "rich_text", { is_empty: true }), "Beta Gamma"],
  [on("Notes", "rich_text", { is_not_empty: true }), "Alpha"],
  [on("Site", "url", { equals: "https://a.test" }), "Alpha"],
  [on("Mail", "email", { contains: "@a" }), "Alpha"],
  [on("Tel", "phone_number", { is_not_empty: true }), "Alpha"],
  [on("N", "number", { equals: 1 }), "Alpha"],
  [on("N", "number", { does_not_equal: 1 }), "Beta Gamma"],
  [on("N", "number", { greater_than: 1 }), "Beta"],
  [on("N", "number", { less_than: 2 }), "Alpha"],
  [on("N", "number", { greater_than_or_equal_to: 1 }), "Alpha Beta"],
  [on("N", "number", { less_than_or_equal_to: 1 }), "Alpha"],
  [on("N", "number", { is_empty: true }), "Gamma"],
  [on("Ok", "checkbox", { equals: false }), "Beta Gamma"],
  [on("Ok", "checkbox", { does_not_equal: false }), "Alpha"],
  [on("Tag", "select", { equals: "low" }), "Alpha"],
  [on("Tag", "select", { equals: ["low", "high"] }), "Alpha Beta"],
  [on("Tag", "select", { does_not_equal: "low" }), "Beta Gamma"],
  [on("Tag", "select", { is_empty: true }), "Gamma"],
  [on("Tags", "multi_select", { contains: "x" }), "Alpha"],
  [on("Tags", "multi_select", { does_not_contain: "x" }), "Beta Gamma"],
  [on("Stage", "status", { equals: "Done" }), "Alpha"],
  [on("Stage", "status", { does_not_equal: "Done" }), "Beta Gamma"],
  [on("Due", "date", { equals: "2026-01-10" }), "Alpha"],
  [on("Due", "date", { equals: "2026-02-10" }), "Beta"],
  [on("Due", "date", { before: "2026-02-10" }), "Alpha"],
  [on("Due", "date", { after: "2026-01-10" }), "Beta"],
  [on("Due", "date", { on_or_before: "2026-02-10" }), "Alpha Beta"],
  [on("Due", "date", { on_or_after: "2026-02-10T12:00:00Z" }), "Beta"],
  [on("Due", "date", { is_empty: true }), "Gamma"],
  [on("Made", "created_time", { equals: "today" }), "Alpha Beta Gamma"],
  [on("Made", "created_time", { past_week: {} }), "Alpha Beta Gamma"],
  [on("Edited", "last_edited_time", { this_week: {} }), "Alpha Beta Gamma"],
  [on("Edited", "last_edited_time", { before: "one_week_ago" }), ""],
  [on("Who", "people", { is_not_empty: true }), "Alpha"],
  [on("Who", "people", { contains: "me" }), ""],
  [on("Who", "people", { does_not_contain: "me" }), "Alpha Beta Gamma"],
  [on("Docs", "files", { is_not_empty: true }), "Alpha"],
  [on("Rel", "relation", { is_empty: true }), "Beta Gamma"],
  [on("Nr", "unique_id", { greater_than: 1 }), "Beta Gamma"],
  [on("Sum", "rollup", { number: { equals: 7 } }), "Alpha"],
  [on("Sum", "rollup", { any: { number: { greater_than: 6 } } }), "Alpha"],
  [on("Sum", "rollup", { none: { number: { greater_than: 6 } } }), "Beta Gamma"],
  [on("F", "formula", { string: { is_empty: true } }), "Alpha Beta Gamma"],
  [{ timestamp: "created_time", created_time: { on_or_after: "yesterday" } }, "Alpha Beta Gamma"],
  [{ timestamp: "last_edited_time", last_edited_time: { on_or_after: "tomorrow" } }, ""],
  [{ and: [on("N", "number", { is_not_empty: true }), { or: [on("Ok", "checkbox", { equals: true }), on("Name", "title", { equals: "Gamma" })] }] }, "Alpha"],
]
for (const [filter, want] of cases) {
  test(`filter ${JSON.stringify(filter)}`, async () => assert.equal(await find(filter), want))
}

test("filters by id of people and relations, and by property id", async () => {
  assert.equal(await find(on("Who", "people", { contains: ada })), "Alpha")
  assert.equal(await find(on("Rel", "relation", { contains: target })), "Alpha")
  const bot = (await notion.users.me({})).id
  assert.equal(await find(on("Maker", "created_by", { contains: bot })), "Alpha Beta Gamma")
  assert.equal(await find(on("Editor", "last_edited_by", { does_not_contain: bot })), "")
  const id = (await notion.dataSources.retrieve({ data_source_id: ds })).properties.N.id
  assert.equal(await find(on(id, "number", { equals: 2 })), "Beta")
})

const ordered = async sorts =>
  (await notion.dataSources.query({ data_source_id: ds, sorts })).results.map(p => p.properties.Name.title[0].plain_text[0]).join("")
test("sorts of every kind", async () => {
  assert.equal(await ordered([{ property: "Name", direction: "ascending" }]), "ABG")
  assert.equal(await ordered([{ property: "Name", direction: "descending" }]), "GBA")
  assert.equal(await ordered([{ property: "N", direction: "ascending" }]), "ABG")
  assert.equal(await ordered([{ property: "N", direction: "descending" }]), "BAG")
  assert.equal(await ordered([{ property: "Tag", direction: "descending" }]), "BAG")
  assert.equal(await ordered([{ property: "Due", direction: "ascending" }]), "ABG")
  assert.equal(await ordered([{ property: "Ok", direction: "descending" }, { property: "Name", direction: "ascending" }]), "ABG")
  assert.equal(await ordered([{ timestamp: "created_time", direction: "ascending" }, { property: "Nr", direction: "descending" }]), "GBA")
})

test("filters and sorts are refused in the service's words", async () => {
  const q = body => () => notion.dataSources.query({ data_source_id: ds, ...body })
  const v = "validation_error"
  await refused(q({ filter: on("Colour", "select", { equals: "x" }) }), 400, v, "Could not find property with name or id: Colour")
  await refused(q({ filter: on("N", "rich_text", { equals: "5" }) }), 400, v,
    "The property type in the database does not match the property type of the filter provided: database property number does not match filter rich_text")
  await refused(q({ sorts: [{ property: "Colour", direction: "ascending" }] }), 400, v, "Could not find sort property with name or id: Colour")
  await refused(q({ start_cursor: "bogus" }), 400, v, "The start_cursor provided is invalid: bogus")
  await refused(q({ page_size: 101 }), 400, v, "body failed validation: body.page_size should be ≤ `100` or `undefined`, instead was `101`.")
  await refused(q({ filter: on("N", "number", { equals: "5" }) }), 400, v, 'body failed validation: body.filter.number.equals should be a number, instead was `"5"`.')
  await refused(q({ filter: { and: [{ or: [{ and: [] }] }] } }), 400, v, /should be not present/)
  await refused(() => notion.dataSources.query({ data_source_id: "0".repeat(32) }), 404, "object_not_found", /^Could not find data_source with ID/)
})

test("paging reads every row once, whatever the page size", async () => {
  const { ds: many } = await table("Many", { Name: { title: {} } })
  const ids = []
  for (let i = 0; i < 23; i++) ids.push((await row(many, { Name: { title: rt(`r${i}`) } })).id)
  await admin("POST", "config", { short_pages: true })
  for (const page_size of [1, 5, 23, 100]) {
    const got = []
    for await (const p of iteratePaginatedAPI(notion.dataSources.query, { data_source_id: many, page_size })) got.push(p.id)
    assert.deepEqual(got.sort(), [...ids].sort())
  }
  await admin("POST", "config", { short_pages: false })
  const rows = await collectAllDataSourceRows(notion26, { data_source_id: many })
  assert.equal(rows.length, 23)
  const one = await notion.dataSources.query({ data_source_id: many, page_size: 2, filter_properties: [] })
  assert.deepEqual([one.object, one.type, one.has_more, one.results.length], ["list", "page_or_data_source", true, 2])
})

test("the query lags behind while a retrieve is current", async () => {
  const { ds: lag } = await table("Lag", { Name: { title: {} } })
  await admin("POST", "config", { index_lag_ms: 60000 })
  const page = await row(lag, { Name: { title: rt("new") } })
  assert.equal((await notion.dataSources.query({ data_source_id: lag })).results.length, 0)
  assert.equal((await notion.pages.retrieve({ page_id: page.id })).id, page.id)
  await admin("POST", "config", { index_lag_ms: 0 })
  assert.equal((await notion.dataSources.query({ data_source_id: lag })).results.length, 1)
})

test("databases answer the old version too, until a second data source appears", async () => {
  const old = client({ notionVersion: "2022-06-28" })
  const { db, ds: src } = await table("Old", { Name: { title: {} } })
  await row(src, { Name: { title: rt("x") } })
  const got = await old.request({ path: `databases/${db}/query`, method: "post", body: {} })
  assert.equal(got.type, "page_or_database")
  assert.deepEqual(got.results[0].parent, { type: "database_id", database_id: db })
  assert.ok((await old.databases.retrieve({ database_id: db })).properties.Name)
  await admin("POST", "people/add_data_source", { database_id: db, name: "Second" })
  const e = await refused(() => old.request({ path: `databases/${db}/query`, method: "post", body: {} }), 400, "validation_error",
    "Databases with multiple data sources are not supported in this API version.")
  assert.equal(e.additional_data.error_type, "multiple_data_sources_for_database")
  assert.equal(e.additional_data.child_data_source_ids.length, 2)
  await refused(() => notion.pages.create({ parent: { database_id: db }, properties: {} }), 400, "validation_error")
})

test("search finds pages and data sources by title", async () => {
  await table("Zebra crossing", { Name: { title: {} } })
  const got = await notion.search({ query: "zebra", filter: { property: "object", value: "data_source" } })
  assert.deepEqual([got.results.length, got.results[0].object], [1, "data_source"])
  const pages = await collectPaginatedAPI(notion.search, { filter: { property: "object", value: "page" }, page_size: 10 })
  assert.ok(pages.length > 5 && pages.every(p => p.object === "page"))
  await refused(() => notion.search({ sort: { timestamp: "created_time", direction: "ascending" } }), 400, "validation_error",
    'body.sort.timestamp should be "last_edited_time" when sorting by timestamp.')
})
