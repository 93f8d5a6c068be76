import test from "node:test"
import assert from "node:assert/strict"
import { isFullPage } from "@notionhq/client"
import { notion, notion26, admin, person, refused, root, row, rt, table, text, named, users } from "./judge.js"

const everything = {
  Name: { title: {} }, Notes: { rich_text: {} }, Age: { number: { format: "euro" } },
  Tag: { select: { options: [{ name: "A", color: "red" }] } }, Tags: { multi_select: { options: [] } },
  Stage: { status: {} }, Due: { date: {} }, Who: { people: {} }, Docs: { files: {} }, Ok: { checkbox: {} },
  Site: { url: {} }, Mail: { email: {} }, Tel: { phone_number: {} }, Made: { created_time: {} }, Maker: { created_by: {} },
  Edited: { last_edited_time: {} }, Editor: { last_edited_by: {} }, Nr: { unique_id: { prefix: "CRM" } },
  Calc: { formula: { expression: "1 + 1" } }, Spot: { place: {} },
}

test("every writable type is written, read, updated and cleared", async () => {
  const { ds } = await table("Everything", everything)
  const ada = (await users()).find(u => !u.bot).id
  const page = await row(ds, {
    Name: { title: rt("Ada") }, Notes: { rich_text: [{ text: { content: "bold", link: { url: "https://x.test/" } }, annotations: { bold: true } }] },
    Age: { number: 36.5 }, Tag: { select: { name: "B" } }, Tags: { multi_select: [{ name: "x" }, { name: "y" }] },
    Stage: { status: { name: "In progress" } }, Due: { date: { start: "2026-09-15", end: "2026-09-16" } }, Who: { people: [{ id: ada }] },
    Docs: { files: [{ name: "a.pdf", external: { url: "https://x.test/a.pdf" } }] }, Ok: { checkbox: true },
    Site: { url: "https://x.test" }, Mail: { email: "a@x.test" }, Tel: { phone_number: "+49 30" },
    Spot: { place: { lat: 1.5, lon: 2, name: "Here" } },
  })
  assert.ok(isFullPage(page))
  const p = page.properties
  assert.equal(text(p.Name.title), "Ada")
  assert.deepEqual(p.Notes.rich_text[0], {
    type: "text", text: { content: "bold", link: { url: "https://x.test/" } },
    annotations: { bold: true, italic: false, strikethrough: false, underline: false, code: false, color: "default" },
    plain_text: "bold", href: "https://x.test/",
  })
  assert.equal(p.Age.number, 36.5)
  assert.equal(p.Tag.select.name, "B")
  assert.deepEqual(p.Tags.multi_select.map(o => o.name), ["x", "y"])
  assert.equal(p.Stage.status.name, "In progress")
  assert.deepEqual(p.Due.date, { start: "2026-09-15", end: "2026-09-16", time_zone: null })
  assert.equal(p.Who.people[0].person.email, "ada@example.com")
  assert.deepEqual(p.Docs.files, [{ name: "a.pdf", type: "external", external: { url: "https://x.test/a.pdf" } }])
  assert.equal(p.Ok.checkbox, true)
  assert.deepEqual([p.Site.url, p.Mail.email, p.Tel.phone_number], ["https://x.test", "a@x.test", "+49 30"])
  assert.match(p.Made.created_time, /:00\.000Z$/)
  assert.equal(p.Maker.created_by.type, "bot")
  assert.deepEqual(p.Nr.unique_id, { prefix: "CRM", number: 1 })
  assert.equal(p.Calc.formula.type, "unsupported")
  assert.equal(p.Spot.place.name, "Here")
  const schema = await notion.dataSources.retrieve({ data_source_id: ds })
  assert.deepEqual(schema.properties.Tag.select.options.map(o => o.name), ["A", "B"], "an unknown select name makes an option")

  const cleared = await notion.pages.update({
    page_id: page.id,
    properties: {
      Name: { title: [] }, Notes: { rich_text: [] }, Age: { number: null }, Tag: { select: null }, Tags: { multi_select: [] },
      Stage: { status: null }, Due: { date: null }, Who: { people: [] }, Docs: { files: [] }, Ok: { checkbox: false },
      Site: { url: null }, Mail: { email: null }, Tel: { phone_number: null }, Spot: { place: null },
    },
  })
  const c = cleared.properties
  assert.deepEqual([c.Name.title, c.Notes.rich_text, c.Tags.multi_select, c.Who.people, c.Docs.files], [[], [], [], [], []])
  assert.deepEqual([c.Age.number, c.Tag.select, c.Due.date, c.Site.url, c.Mail.email, c.Tel.phone_number, c.Spot.place],
    [null, null, null, null, null, null, null])
  assert.equal(c.Stage.status.name, "Not started", "a cleared status falls back to its default")
  assert.equal(c.Ok.checkbox, false)
})

test("properties are known by id, encoded or not, and survive a rename", async () => {
  const { ds } = await table("Ids", { Name: { title: {} }, Age: { number: {} } })
  const id = (await notion.dataSources.retrieve({ data_source_id: ds })).properties.Age.id
  const page = await row(ds, { ...named("x"), [id]: { number: 1 } })
  await notion.dataSources.update({ data_source_id: ds, properties: { [id]: { name: "Years" } } })
  const got = await notion.pages.retrieve({ page_id: page.id, filter_properties: [id] })
  assert.deepEqual(Object.keys(got.properties), ["Years"])
  assert.equal(got.properties.Years.id, id)
  const item = await notion.pages.properties.retrieve({ page_id: page.id, property_id: id })
  assert.deepEqual({ object: item.object, type: item.type, number: item.number }, { object: "property_item", type: "number", number: 1 })
})

test("versions differ in archived and in parents", async () => {
  const { ds, db } = await table("Versions", { Name: { title: {} } })
  const page = await row(ds, named("x"))
  assert.equal(page.archived, false)
  assert.deepEqual(page.parent, { type: "data_source_id", data_source_id: ds, database_id: db })
  const p26 = await notion26.pages.retrieve({ page_id: page.id })
  assert.equal("archived" in p26, false)
  await refused(() => notion26.pages.update({ page_id: page.id, archived: true }), 400, "validation_error",
    "body failed validation: body.archived should be not present, instead was `true`.")
})

test("trash refuses edits until the page is restored", async () => {
  const { ds } = await table("Trash", { Name: { title: {} } })
  const page = await row(ds, named("x"))
  const gone = await notion.pages.update({ page_id: page.id, in_trash: true })
  assert.deepEqual([gone.in_trash, gone.archived], [true, true])
  await refused(() => notion.pages.update({ page_id: page.id, properties: named("y") }), 400, "validation_error",
    "Can't edit block that is archived. You must unarchive the block before editing.")
  assert.equal((await notion.dataSources.query({ data_source_id: ds })).results.length, 0)
  assert.equal((await notion.pages.update({ page_id: page.id, in_trash: false })).in_trash, false)
  const block = await notion.blocks.delete({ block_id: page.id })
  assert.deepEqual([block.type, block.in_trash], ["child_page", true])
})

test("an archived page vanishes from queries but not from the trash", async () => {
  const { ds } = await table("Archive", { Name: { title: {} } })
  const page = await row(ds, named("x"))
  await person("archive", { page_id: page.id })
  assert.equal((await notion.dataSources.query({ data_source_id: ds })).results.length, 0)
  const got = await notion.pages.retrieve({ page_id: page.id })
  assert.deepEqual([got.is_archived, got.in_trash], [true, false])
})

test("a page moves to another data source and keeps its id", async () => {
  const a = await table("From", { Name: { title: {} }, Age: { number: {} } })
  const b = await table("To", { Name: { title: {} }, Age: { number: {} } })
  const page = await row(a.ds, { ...named("x"), Age: { number: 4 } })
  const moved = await notion.pages.move({ page_id: page.id, parent: { type: "data_source_id", data_source_id: b.ds } })
  assert.equal(moved.parent.data_source_id, b.ds)
  assert.equal(moved.properties.Age.number, 4)
  assert.equal((await notion.dataSources.query({ data_source_id: a.ds })).results.length, 0)
  assert.equal((await notion.dataSources.query({ data_source_id: b.ds })).results[0].id, page.id)
})

test("dual relations stay in step on both sides", async () => {
  const a = await table("Companies", { Name: { title: {} } })
  const b = await table("Deals", {
    Name: { title: {} },
    Company: { relation: { data_source_id: a.ds, type: "dual_property", dual_property: { synced_property_name: "Deals" } } },
  })
  const schema = await notion.dataSources.retrieve({ data_source_id: a.ds })
  const rel = schema.properties.Deals.relation
  assert.deepEqual([rel.data_source_id, rel.type, rel.dual_property.synced_property_name], [b.ds, "dual_property", "Company"])
  const co = await row(a.ds, named("Acme"))
  const deal = await row(b.ds, { ...named("Big"), Company: { relation: [{ id: co.id }] } })
  let back = await notion.pages.retrieve({ page_id: co.id })
  assert.deepEqual(back.properties.Deals, { id: schema.properties.Deals.id, type: "relation", relation: [{ id: deal.id }], has_more: false })
  await notion.pages.update({ page_id: co.id, properties: { Deals: { relation: [] } } })
  assert.deepEqual((await notion.pages.retrieve({ page_id: deal.id })).properties.Company.relation, [])

  await notion.dataSources.update({ data_source_id: a.ds, properties: { Number: { rollup: { relation_property_name: "Deals", rollup_property_name: "Name", function: "count" } } } })
  await notion.pages.update({ page_id: deal.id, properties: { Company: { relation: [{ id: co.id }] } } })
  back = await notion.pages.retrieve({ page_id: co.id })
  assert.deepEqual(back.properties.Number.rollup, { type: "number", number: 1, function: "count" })

  await person("unshare", { to_id: a.db })
  assert.deepEqual((await notion.pages.retrieve({ page_id: deal.id })).properties.Company.relation, [], "unshared reads as empty")
  await refused(() => notion.pages.retrieve({ page_id: co.id }), 404, "object_not_found",
    `Could not find page with ID: ${co.id}. Make sure the relevant pages and databases are shared with your integration "Judge".`)
  await person("share", { to_id: a.db })
})

test("long relations are cut at 25 and read in full through the property item", async () => {
  const { ds } = await table("Long", { Name: { title: {} } })
  const b = await table("Holder", { Name: { title: {} }, All: { relation: { data_source_id: ds, single_property: {} } } })
  const ids = []
  for (let i = 0; i < 60; i++) ids.push((await row(ds, named(`r${i}`))).id)
  const page = await row(b.ds, { ...named("h"), All: { relation: ids.map(id => ({ id })) } })
  assert.equal(page.properties.All.relation.length, 25)
  assert.equal(page.properties.All.has_more, true)
  const got = []
  let cursor, item
  do {
    item = await notion.pages.properties.retrieve({ page_id: page.id, property_id: page.properties.All.id, page_size: 40, start_cursor: cursor })
    assert.equal(item.object, "list")
    assert.equal(item.property_item.type, "relation")
    got.push(...item.results.map(r => r.relation.id))
    cursor = item.next_cursor ?? undefined
  } while (cursor)
  assert.deepEqual(got, ids)
  const title = await notion.pages.properties.retrieve({ page_id: page.id, property_id: "title" })
  assert.equal(title.results[0].title.plain_text, "h")
})

test("unknown property types are there when a person adds them", async () => {
  const { ds } = await table("Unknown", { Name: { title: {} } })
  const page = await row(ds, named("x"))
  await person("add_property", { data_source_id: ds, name: "Seen", type: "last_visited_time" })
  await person("add_property", { data_source_id: ds, name: "Odd", type: "hologram", value: { depth: 3 } })
  await person("set_raw", { page_id: page.id, property: "Odd", value: { beam: 1 } })
  const schema = await notion.dataSources.retrieve({ data_source_id: ds })
  assert.deepEqual([schema.properties.Seen.type, schema.properties.Odd.hologram], ["last_visited_time", { depth: 3 }])
  const got = await notion.pages.retrieve({ page_id: page.id })
  assert.deepEqual(got.properties.Odd.hologram, { beam: 1 })
})

test("values are refused in the service's words", async () => {
  const { ds } = await table("Refusals", everything)
  const page = await row(ds, named("x"))
  const put = (properties) => () => notion.pages.update({ page_id: page.id, properties })
  const v = "validation_error"
  await refused(put({ Colour: { number: 1 } }), 400, v, "Colour is not a property that exists.")
  await refused(put({ Stage: { select: { name: "Done" } } }), 400, v, "Stage is expected to be status.")
  await refused(put({ Stage: { status: { name: "Nope" } } }), 400, v, 'Invalid status option. Status option "Nope" does not exist.')
  await refused(put({ Tag: { select: { name: "High, really" } } }), 400, v, "Invalid select option, commas not allowed: High, really")
  await refused(put({ Tag: { select: { name: "" } } }), 400, v,
    'body failed validation. Fix one:\nbody.properties.Tag.select.id should be defined, instead was `undefined`.\nbody.properties.Tag.select.name should be populated, instead was `""`.')
  await refused(put({ Site: { url: "" } }), 400, v, 'body failed validation: body.properties.Site.url should be populated, instead was `""`.')
  await refused(put({ Mail: { email: "" } }), 400, v, /body\.properties\.Mail\.email should be populated/)
  await refused(put({ Age: { number: "5" } }), 400, v, 'body failed validation: body.properties.Age.number should be a number or `null`, instead was `"5"`.')
  await refused(put({ Name: { title: rt("x".repeat(2001)) } }), 400, v,
    "body failed validation: body.properties.Name.title[0].text.content.length should be ≤ `2000`, instead was `2001`.")
  await refused(put({ Notes: { rich_text: Array(101).fill(rt("x")[0]) } }), 400, v,
    "body failed validation: body.properties.Notes.rich_text.length should be ≤ `100`, instead was `101`.")
  await refused(put({ Made: { created_time: "2026-01-01" } }), 400, v, /^body failed validation\. Fix one:\nbody\.properties\.Made\.title should be defined/)
  await refused(() => notion.pages.retrieve({ page_id: "not-an-id" }), 400, v,
    'path failed validation: path.page_id should be a valid uuid, instead was `"not-an-id"`.')
  await refused(() => notion.pages.create({ parent: { page_id: root }, properties: { Colour: { number: 1 } } }), 400, v,
    "Colour is not a property that exists.")
})

test("blocks are appended, listed, changed and deleted", async () => {
  const page = await notion.pages.create({
    parent: { page_id: root }, properties: { title: rt("Body") },
    children: [{ paragraph: { rich_text: rt("one") } }],
  })
  const added = await notion.blocks.children.append({ block_id: page.id, children: [{ type: "to_do", to_do: { rich_text: rt("two"), checked: true } }] })
  assert.equal(added.type, "block")
  const first = (await notion.blocks.children.list({ block_id: page.id })).results
  assert.deepEqual(first.map(b => b.type), ["paragraph", "to_do"])
  await notion26.blocks.children.append({ block_id: page.id, children: [{ divider: {} }], position: { type: "after_block", after_block: { id: first[0].id } } })
  await notion.blocks.update({ block_id: first[0].id, paragraph: { rich_text: rt("uno") } })
  await notion.blocks.delete({ block_id: first[1].id })
  const now = (await notion.blocks.children.list({ block_id: page.id })).results
  assert.deepEqual(now.map(b => b.type), ["paragraph", "divider"])
  assert.equal(text(now[0].paragraph.rich_text), "uno")
  await refused(() => notion.blocks.update({ block_id: first[0].id, divider: {} }), 400, "validation_error", "Expected block type paragraph in request body")
})

test("the admin endpoints report the workspace", async () => {
  assert.equal((await admin("GET", "state")).root_page_id, root)
})
