// Requests drawn from Notion's own request types: what the types allow must be
// accepted, and every answer is held against the types of answers (wire.js).
import test, { before } from "node:test"
import assert from "node:assert/strict"
import { definition } from "./schema.js"
import { samples } from "./sample.js"
import { judged } from "./wire.js"
import { notion, notion26, client, person, root, row, rt, table, named, users, text } from "./judge.js"

const old = client({ notionVersion: "2022-06-28" })
const columns = target => ({
  title: { title: {} }, rich_text: { rich_text: {} }, number: { number: { format: "euro" } }, select: { select: { options: [{ name: "a" }] } },
  multi_select: { multi_select: { options: [{ name: "a" }, { name: "b" }] } }, status: { status: {} }, date: { date: {} }, people: { people: {} },
  files: { files: {} }, checkbox: { checkbox: {} }, url: { url: {} }, email: { email: {} }, phone_number: { phone_number: {} },
  relation: { relation: { data_source_id: target, dual_property: {} } },
  rollup: { rollup: { relation_property_name: "relation", rollup_property_name: "Name", function: "show_original" } },
  formula: { formula: { expression: "1" } }, unique_id: { unique_id: { prefix: "G" } }, created_time: { created_time: {} },
  created_by: { created_by: {} }, last_edited_time: { last_edited_time: {} }, last_edited_by: { last_edited_by: {} }, place: { place: {} },
})

let ds, db, target, targetDB, page, other, ada, upload, comment, optionIDs
before(async () => {
  ada = (await users()).find(u => !u.bot).id
  const t = await table("Target", { Name: { title: {} }, N: { number: {} }, When: { date: {} }, Tags: { multi_select: {} } })
  target = t.ds
  targetDB = t.db
  other = (await row(target, { ...named("t"), N: { number: 3 }, When: { date: { start: "2026-05-05", end: "2026-05-06" } }, Tags: { multi_select: [{ name: "p" }] } })).id
  const all = await table("All types", columns(target))
  ds = all.ds
  db = all.db
  await person("add_property", { data_source_id: ds, name: "verification", type: "verification" })
  await person("add_property", { data_source_id: ds, name: "button", type: "button" })
  page = (await row(ds, { title: { title: rt("first") }, relation: { relation: [{ id: other }] } })).id
  const up = await notion.fileUploads.create({ filename: "a.png", content_type: "image/png" })
  upload = (await notion.fileUploads.send({ file_upload_id: up.id, file: { data: new Blob(["x"]), filename: "a.png" } })).id
  comment = (await notion.comments.create({ parent: { page_id: page }, rich_text: rt("hello") }))
  const schema = (await notion.dataSources.retrieve({ data_source_id: ds })).properties
  optionIDs = Object.fromEntries(["select", "multi_select", "status"].map(t => [t, schema[t][t].options[0].id]))
})

// strings are what a path of keys wants; an empty list makes the key impossible.
function strings(path) {
  const key = path.at(-1)
  const up = path.findLast(k => Number.isNaN(Number(k)) && k !== key) ?? ""
  switch (key) {
    case "url": return path.includes("url") && path.length === 1 ? ["https://u.test", "not really a url"] : ["https://u.test/a?b=c#d"]
    case "page_id": return [page]
    case "database_id": return [db]
    case "data_source_id": return [target]
    case "block_id": return [page]
    case "comment_id": return [comment.id]
    case "discussion_id": return [comment.discussion_id]
    case "file_upload_id": return [upload]
    case "property": return path.length === 1 ? ["?"] : []
    case "start":
      if (path[0] === "verification") return ["2026-01-31T10:20:30.000Z"] // its dates need a time
      return ["2026-01-31", "2026-01-31T10:20", "2026-01-31T10:20:30", "2026-01-31T10:20:30.123Z", "2026-01-31T10:20:30+05:30"]
    case "end": return [] // given with its start below
    case "time_zone": return []
    case "email": return ["a@b.test", "no at sign"]
    case "phone_number": return ["+1 (2) 3", "call me"]
    case "emoji": return ["🐘", "👩🏽‍💻"]
    case "color": return ["gray"]
    case "timezone": return ["Europe/Paris"]
    case "template_id": case "expiry_time": return []
    case "format": return ["number", "percent", "yen"]
    case "relation_property_name": return ["relation"]
    case "rollup_property_name": return ["Name"]
    case "relation_property_id": return []
    case "rollup_property_id": return []
    case "synced_property_id": return []
    case "expression": return ["e=mc^2"]
    case "prefix": return ["AB"]
    case "id":
      if (["select", "status", "multi_select"].includes(path[0])) return path.includes("options") ? [] : [optionIDs[path[0]]]
      if (up === "people" || up === "user") return [ada]
      if (up === "relation") return [other]
      if (up === "page") return [page]
      if (up === "database") return [db]
      if (up === "file_upload") return [upload]
      if (up === "custom_emoji") return [root]
      return []
    case "name":
      if (path[0] === "status") return ["in progress", "Done"]
      return ["n"]
    case "contains": case "does_not_contain": {
      const kind = path.at(-2)
      if (["people", "created_by", "last_edited_by"].includes(kind)) return [ada, "me"]
      if (kind === "relation") return [other]
      return ["a", ""]
    }
    case "equals": case "does_not_equal": case "before": case "after": case "on_or_before": case "on_or_after":
      if (["date", "created_time", "last_edited_time"].includes(path.at(-2)))
        return ["2026-01-31", "2026-01-31T10:20:30.000Z", "2026-01-31T10:20:30+02:00", "today", "one_month_from_now"]
      return ["a"]
    default: return ["x"]
  }
}

// thin keeps every nth sample and the first of each kind.
const thin = (list, n) => list.filter((v, i) => i % n === 0 || Object.keys(v)[0] !== Object.keys(list[i - 1])[0])
const tell = v => JSON.stringify(v).slice(0, 160)
// each sends every sample and collects what is refused, so that one run shows all.
async function each(list, send, least) {
  assert.ok(list.length >= least, `only ${list.length} samples`)
  const bad = []
  for (const v of list) {
    try {
      await send(v)
    } catch (e) {
      bad.push(`${tell(v)}\n    ${e.message.slice(0, 500)}`)
    }
  }
  assert.equal(bad.length, 0, `${bad.length} of ${list.length}:\n${bad.slice(0, 4).join("\n")}`)
}

test("every filter that the types allow is taken", async () => {
  const list = [...samples(definition("PropertyFilter"), strings), ...samples(definition("TimestampFilter"), strings)]
  await each(list, async f => {
    const kind = Object.keys(f).find(k => k !== "property" && k !== "type" && k !== "timestamp")
    const filter = f.property ? { ...f, property: kind } : f
    for (const whole of [filter, { and: [filter, { or: [filter] }] }])
      await notion.dataSources.query({ data_source_id: ds, filter: whole, page_size: 5 })
  }, 150)
})

const values = () => samples(definition("UpdatePage").properties.properties.additionalProperties, strings)
test("every property value that the types allow is taken, in three versions", async () => {
  const list = values()
  assert.deepEqual([...new Set(list.map(v => Object.keys(v).find(k => k !== "type")))].sort(),
    "checkbox date email files multi_select number people phone_number place relation rich_text select status title url verification".split(" "))
  const send = v => {
    const kind = Object.keys(v).find(k => k !== "type")
    return { page_id: page, properties: { [kind]: v } }
  }
  await each(list, v => notion.pages.update(send(v)), 100)
  const some = thin(list, 7)
  await each(some, v => notion26.pages.update(send(v)), 40)
  await each(some, v => old.pages.update(send(v)), 40)
})

test("dates in all their forms are taken and come back alike", async () => {
  for (const date of [
    { start: "2026-01-31", end: "2026-02-01" }, { start: "2026-01-31", end: null, time_zone: null },
    { start: "2026-01-31T10:20:00", time_zone: "America/New_York" },
    { start: "2026-01-31T10:20:00", end: "2026-01-31T11:20:00", time_zone: "Asia/Kolkata" },
    { start: "2026-01-31T10:20:00Z", end: "2026-01-31T10:20:00Z" },
  ]) {
    const got = (await notion.pages.update({ page_id: page, properties: { date: { date } } })).properties.date.date
    assert.equal(got.end === null, !date.end)
    assert.equal(got.start.length === 10, date.start.length === 10, JSON.stringify(got))
  }
})

test("what is read can be written back", async () => {
  const p = (await notion.pages.retrieve({ page_id: page })).properties
  for (const [name, v] of Object.entries(p)) {
    if (["formula", "rollup", "unique_id", "created_time", "created_by", "last_edited_time", "last_edited_by", "button", "verification"].includes(v.type)) continue
    const back = await notion.pages.update({ page_id: page, properties: { [name]: { [v.type]: v[v.type] } } })
    if (v.type !== "files") assert.deepEqual(back.properties[name], v) // their URLs are signed anew
  }
})

test("every column that the types allow is made and made again", async () => {
  const list = samples(definition("PropertyConfigurationRequest"), strings)
    .filter(p => !("title" in p) && !["button", "location", "verification", "last_visited_time"].some(k => k in p))
  let n = 0
  await each(list, async p => {
    const scratch = (await table(`Scratch ${n++}`, { Name: { title: {} }, relation: { relation: { data_source_id: target, single_property: {} } } })).ds
    if (p.relation?.dual_property) p.relation.dual_property = { ...p.relation.dual_property, synced_property_name: `Back ${n}` }
    const made = await notion.dataSources.update({ data_source_id: scratch, properties: { X: p } })
    assert.ok(made.properties.X)
    await notion26.dataSources.update({ data_source_id: scratch, properties: { X: p } })
    const kind = made.properties.X.type
    await notion.dataSources.update({ data_source_id: scratch, properties: { [made.properties.X.id]: { name: "Y", [kind]: p[kind] } } })
    await notion.dataSources.update({ data_source_id: scratch, properties: { Y: null } })
  }, 60)
})

test("every block that the types allow is taken", async () => {
  const list = thin(samples(definition("AppendBlocks").properties.children.items, strings, ["rich_text", "caption", "cells", "children"]), 4)
  const home = (await notion.pages.create({ parent: { page_id: root }, properties: { title: rt("Blocks") } })).id
  const seen = new Set()
  await each(list, async b => {
    const made = await notion.blocks.children.append({ block_id: home, children: [b] })
    assert.equal(made.results.length, 1)
    seen.add(made.results[0].type)
    if (made.results[0].has_children) await notion26.blocks.children.list({ block_id: made.results[0].id })
  }, 100)
  assert.ok(seen.size >= 28, [...seen].join(" "))
})

test("pages with every icon, cover and parent are made", async () => {
  const s = definition("CreatePage").properties
  const list = [...samples(s.icon, strings).map(icon => ({ icon })), ...samples(s.cover, strings).map(cover => ({ cover })),
    ...samples(s.parent, strings).filter(p => !p.workspace).map(parent => ({ parent: parent.database_id ? { ...parent, database_id: targetDB } : parent })),
    { markdown: "# one\n\ntwo" }, { template: { type: "none" } }, { position: { type: "page_start" } }, { position: { type: "page_end" } }, {}]
  await each(list, async more => {
    await notion.pages.create({ parent: { page_id: root }, ...more })
  }, 15)
})

test("every comment and search that the types allow is taken", async () => {
  await each(samples(definition("CreateComment"), strings), c => notion.comments.create(c), 15)
  await each(samples(definition("SearchRequest"), strings).filter(s => !s.start_cursor).map(s => s.page_size === undefined ? s : { ...s, page_size: 3 }),
    s => notion.search(s), 10)
})

test("every type reads well in three versions, in pages, queries and items", async () => {
  const full = {
    title: { title: rt("full") }, rich_text: { rich_text: [{ mention: { user: { id: ada } } }, { mention: { date: { start: "2026-01-01" } } }, { equation: { expression: "x" } }] },
    number: { number: 1.5 }, select: { select: { name: "a" } }, multi_select: { multi_select: [{ name: "a" }, { name: "z" }] }, status: { status: { name: "Done" } },
    date: { date: { start: "2026-01-01", end: "2026-01-02" } }, people: { people: [{ id: ada }] },
    files: { files: [{ name: "x", external: { url: "https://x.test" } }, { name: "y", file_upload: { id: upload } }] }, checkbox: { checkbox: true },
    url: { url: "https://x.test" }, email: { email: "a@b.test" }, phone_number: { phone_number: "1" }, relation: { relation: [{ id: other }] },
    place: { place: { lat: 1, lon: 2 } }, verification: { verification: { state: "verified" } },
  }
  const id = (await row(ds, full)).id
  const functions = definition("RollupFunction").enum
  const props = Object.fromEntries(functions.map(f => [f, { rollup: { relation_property_name: "relation", function: f,
    rollup_property_name: /date/.test(f) ? "When" : /checked/.test(f) ? "Name" : /count|empty|unique|show|per_group/.test(f) ? "Tags" : "N" } }]))
  await notion.dataSources.update({ data_source_id: ds, properties: props })
  for (const raw of [{ type: "string", string: "s" }, { type: "number", number: 1 }, { type: "boolean", boolean: true }, { type: "date", date: { start: "2026-01-01", end: null, time_zone: null } }]) {
    await person("set_raw", { page_id: id, property: "formula", value: raw })
    for (const api of [notion, notion26, old]) {
      const page = await api.pages.retrieve({ page_id: id })
      assert.deepEqual(page.properties.formula.formula, raw)
    }
  }
  for (const api of [notion, notion26, old]) {
    const page = await api.pages.retrieve({ page_id: id })
    assert.equal(text(page.properties.title.title), "full")
    for (const p of Object.values(page.properties)) {
      if (p.type !== "button" && !(api === old && p.type === "place")) await api.pages.properties.retrieve({ page_id: id, property_id: p.id })
    }
  }
  for (const api of [notion, notion26]) {
    await api.dataSources.query({ data_source_id: ds })
    await api.dataSources.retrieve({ data_source_id: ds })
    await api.databases.retrieve({ database_id: db })
  }
  await old.databases.retrieve({ database_id: db })
  await old.request({ path: `databases/${db}/query`, method: "post", body: {} })
  for (const query of ["full", "All types"]) assert.ok((await old.search({ query })).results.length > 0)
  assert.ok(judged.answers > 500, `${judged.answers} answers were judged`)
})
