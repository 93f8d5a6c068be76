import test from "node:test"
import assert from "node:assert/strict"
import http from "node:http"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import {
  APIErrorCode, APIResponseError, ClientErrorCode, RequestTimeoutError, UnknownHTTPResponseError, isFullDataSource, isFullDatabase, isFullUser,
  isNotionClientError, verifyWebhookSignature,
} from "@notionhq/client"
import { check } from "./schema.js"
import { notion, client, admin, person, fault, refused, root, row, rt, table, text, named, url, token, users } from "./judge.js"

test("the schema changes: add, rename, remove, options, types", async () => {
  const { ds, db } = await table("Schema", { Name: { title: {} }, Tag: { select: { options: [{ name: "A", color: "red" }, { name: "B" }] } } })
  assert.ok(isFullDatabase(await notion.databases.retrieve({ database_id: db })))
  let s = await notion.dataSources.update({ data_source_id: ds, properties: { Age: { number: { format: "euro" } }, Gone: { url: {} } } })
  assert.ok(isFullDataSource(s))
  assert.deepEqual(s.properties.Age.number, { format: "euro" })
  const ageId = s.properties.Age.id
  s = await notion.dataSources.update({ data_source_id: ds, properties: { Age: { name: "Years" }, Gone: null } })
  assert.deepEqual([s.properties.Years.id, "Gone" in s.properties, "Age" in s.properties], [ageId, false, false])
  const b = s.properties.Tag.select.options[1]
  s = await notion.dataSources.update({ data_source_id: ds, properties: { Tag: { select: { options: [{ id: b.id }, { name: "C", color: "blue" }] } } } })
  assert.deepEqual(s.properties.Tag.select.options.map(o => o.name), ["B", "C"], "the list is complete: A is removed")
  assert.equal(s.properties.Tag.select.options[0].id, b.id)
  const page = await row(ds, { ...named("x"), Years: { number: 12 } })
  await notion.dataSources.update({ data_source_id: ds, properties: { Years: { rich_text: {} } } })
  assert.equal(text((await notion.pages.retrieve({ page_id: page.id })).properties.Years.rich_text), "12")
  const v = "validation_error"
  const put = properties => () => notion.dataSources.update({ data_source_id: ds, properties })
  await refused(put({ Name: null }), 400, v)
  await refused(put({ Second: { title: {} } }), 400, v)
  await refused(put({ Tag: { select: { options: [{ name: "a,b" }] } } }), 400, v, "Invalid select option, commas not allowed: a,b")
  await refused(put({ Nope: null }), 400, v, "Nope is not a property that exists.")
  await refused(put({ Bad: { number: { format: "bananas" } } }), 400, v, /body\.properties\.Bad\.number\.format should be/)
  s = await notion.dataSources.update({ data_source_id: ds, properties: { Stage: { status: {} } } })
  assert.deepEqual(s.properties.Stage.status.options.map(o => o.name), ["Not started", "In progress", "Done"])
  assert.deepEqual(s.properties.Stage.status.groups.map(g => g.name), ["To-do", "In progress", "Complete"])
})

test("databases and data sources are made, named, trashed and restored", async () => {
  const db = await notion.databases.create({ parent: { type: "page_id", page_id: root }, title: rt("Plain"), description: rt("about"), icon: { emoji: "📇" } })
  assert.match(db.created_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/, "databases show milliseconds")
  assert.deepEqual(db.icon, { type: "emoji", emoji: "📇" })
  const second = await notion.dataSources.create({ parent: { type: "database_id", database_id: db.id }, title: rt("Second"), properties: { Name: { title: {} } } })
  assert.match(second.created_time, /:00\.000Z$/)
  assert.deepEqual((await notion.databases.retrieve({ database_id: db.id })).data_sources.map(d => d.name), ["Plain", "Second"])
  assert.equal(text((await notion.databases.update({ database_id: db.id, title: rt("Named") })).title), "Named")
  assert.equal((await notion.dataSources.update({ data_source_id: second.id, in_trash: true })).in_trash, true)
  assert.equal((await notion.dataSources.update({ data_source_id: second.id, in_trash: false })).in_trash, false)
  assert.deepEqual(await notion.dataSources.listTemplates({ data_source_id: second.id }), { templates: [], has_more: false, next_cursor: null })
})

test("users are listed, found and known to be us", async () => {
  const all = await notion.users.list({})
  assert.equal(all.type, "user")
  assert.ok(all.results.every(isFullUser))
  const me = await notion.users.me({})
  assert.deepEqual([me.type, me.name, me.bot.owner.type], ["bot", "Judge", "workspace"])
  assert.equal((await notion.users.retrieve({ user_id: all.results[0].id })).id, all.results[0].id)
  await refused(() => notion.users.list({ start_cursor: "bogus" }), 400, "validation_error", "The start_cursor provided is invalid: bogus")
})

test("comments are made, answered, changed and deleted", async () => {
  const page = await notion.pages.create({ parent: { page_id: root }, properties: { title: rt("Talk") } })
  const one = await notion.comments.create({ parent: { page_id: page.id }, rich_text: rt("first") })
  assert.deepEqual(one.display_name, { type: "integration", resolved_name: "Judge" })
  const two = await notion.comments.create({ discussion_id: one.discussion_id, rich_text: rt("second") })
  assert.equal(two.discussion_id, one.discussion_id)
  assert.deepEqual((await notion.comments.list({ block_id: page.id })).results.map(c => text(c.rich_text)), ["first", "second"])
  assert.equal(text((await notion.comments.update({ comment_id: one.id, rich_text: rt("1st") })).rich_text), "1st")
  await notion.comments.delete({ comment_id: one.id })
  await refused(() => notion.comments.retrieve({ comment_id: one.id }), 404, "object_not_found")
  await refused(() => notion.comments.list({ block_id: page.id, page_size: 101 }), 400, "validation_error",
    "query failed validation: query.page_size should be ≤ `100` or `undefined`, instead was `101`.")
})

test("file uploads are made, sent and listed", async () => {
  const up = await notion.fileUploads.create({ filename: "a.txt", content_type: "text/plain" })
  assert.equal(up.status, "pending")
  const sent = await notion.fileUploads.send({ file_upload_id: up.id, file: { data: new Blob(["hello"]), filename: "a.txt" } })
  assert.deepEqual([sent.status, sent.content_length, sent.content_type, sent.filename], ["uploaded", 5, "text/plain", "a.txt"])
  const parts = await notion.fileUploads.create({ mode: "multi_part", number_of_parts: 2, filename: "b.bin" })
  for (const part of [1, 2]) {
    const got = await notion.fileUploads.send({ file_upload_id: parts.id, file: { data: new Blob(["12345"]), filename: "b.bin" }, part_number: String(part) })
    assert.deepEqual(got.number_of_parts, { total: 2, sent: part })
  }
  const done = await notion.fileUploads.complete({ file_upload_id: parts.id })
  assert.deepEqual([done.status, done.content_length], ["uploaded", 10])
  await refused(() => notion.fileUploads.create({ mode: "multi_part", filename: "c" }), 400, "validation_error",
    "body failed validation: body.number_of_parts should be defined, instead was `undefined`.")
  assert.ok((await notion.fileUploads.list({ status: "uploaded" })).results.some(u => u.id === up.id))
  const { ds } = await table("Files", { Name: { title: {} }, Docs: { files: {} } })
  const page = await row(ds, { ...named("x"), Docs: { files: [{ file_upload: { id: up.id }, name: "a.txt" }] } })
  assert.equal(page.properties.Docs.files[0].type, "file")
  assert.ok(page.properties.Docs.files[0].file.expiry_time)
})

test("tokens, versions, routes and bodies are checked in the service's order", async () => {
  const call = async (path, init) => (await fetch(url + path, init)).json()
  const json = { "content-type": "application/json" }
  assert.equal((await call("/v1/nothing/here", {})).code, "invalid_request_url")
  assert.equal((await call("/v1/users/me", { method: "PUT" })).message, "Invalid request URL.")
  assert.equal((await call("/v1/pages", { method: "POST", headers: json, body: "{bad" })).message, "Error parsing JSON body.")
  assert.equal((await call("/v1/users/me", {})).message, 'Authorization header must use the format "Bearer <token>".')
  assert.equal((await call("/v1/users/me", { headers: { authorization: "Bearer x" } })).message, "API token is invalid.")
  const missing = await call("/v1/users/me", { headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual([missing.code, missing.message],
    ["missing_version", "Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`."])
  await refused(() => client({ auth: "wrong" }).users.me({}), 401, APIErrorCode.Unauthorized)
  await refused(() => client({ notionVersion: "2022-06-28" }).dataSources.retrieve({ data_source_id: root }), 400, APIErrorCode.InvalidRequestURL)
})

test("each fault is the error class that the client knows", async () => {
  const path = "/v1/users/me"
  const classes = [
    ["rate_limited", 429, APIErrorCode.RateLimited], ["service_overload", 529, APIErrorCode.ServiceOverload],
    ["conflict", 409, APIErrorCode.ConflictError], ["internal_error", 500, APIErrorCode.InternalServerError],
    ["unavailable", 503, APIErrorCode.ServiceUnavailable], ["timeout", 504, APIErrorCode.GatewayTimeout],
  ]
  for (const [kind, status, code] of classes) {
    await fault({ kind, path, count: 1 })
    await refused(() => notion.users.me({}), status, code)
  }
  await fault({ kind: "blocked", path, count: 1 })
  const e = await refused(() => notion.users.me({}), 429, "rate_limited")
  assert.equal(e.additional_data.rate_limit_reason, "public_api_request_blocked")
  await fault({ kind: "bad_gateway", path, count: 1 })
  await assert.rejects(notion.users.me({}), e => UnknownHTTPResponseError.isUnknownHTTPResponseError(e) && e.code === ClientErrorCode.ResponseError && e.status === 502)
  await fault({ kind: "slow", path, count: 1, delay: 5e8 })
  await assert.rejects(client({ timeoutMs: 50 }).users.me({}), e => isNotionClientError(e) && RequestTimeoutError.isRequestTimeoutError(e))
  await fault({ kind: "drop", path, count: 1 })
  await assert.rejects(notion.users.me({}))
})

test("the client retries a 429 after the time it is told", async () => {
  await fault({ kind: "rate_limited", path: "/v1/pages", method: "POST", count: 1, retry_after: 1 })
  const started = Date.now()
  const page = await client({ retry: { maxRetries: 2, initialRetryDelayMs: 1 } }).pages.create({ parent: { page_id: root }, properties: { title: rt("Again") } })
  assert.ok(page.id)
  assert.ok(Date.now() - started >= 1000)
})

test("the window limits requests and says when it ends", async () => {
  await admin("POST", "config", { limit: 1 })
  let e
  for (let i = 0; i < 3 && !e; i++) {
    try { await notion.users.me({}) } catch (got) { e = got }
  }
  await admin("POST", "config", { limit: -1 })
  assert.ok(APIResponseError.isAPIResponseError(e))
  assert.equal(e.code, APIErrorCode.RateLimited)
  const after = Number(e.headers.get("retry-after"))
  assert.ok(after >= 1 && after <= 60, `Retry-After ${after}`)
  assert.deepEqual(e.additional_data, { rate_limit_reason: "public_api_request_rate_limit", retry_after: String(after) })
})

test("writes that were saved but not answered", async () => {
  const { ds } = await table("Saved", { Name: { title: {} } })
  await fault({ kind: "unavailable_committed", path: "/v1/pages", method: "POST", count: 1 })
  const e = await refused(() => row(ds, named("a")), 503, "service_unavailable")
  const id = e.additional_data.committed_resource_id
  assert.equal(text((await notion.pages.retrieve({ page_id: id })).properties.Name.title), "a")
  for (const kind of ["timeout_committed", "drop_committed"]) {
    await fault({ kind, path: "/v1/pages", method: "POST", count: 1 })
    await assert.rejects(row(ds, named(kind)))
  }
  const names = (await notion.dataSources.query({ data_source_id: ds })).results.map(p => text(p.properties.Name.title)).sort()
  assert.deepEqual(names, ["a", "drop_committed", "timeout_committed"])
})

test("webhooks are verified, signed, aggregated and attributed", async () => {
  const got = []
  const untyped = []
  const server = http.createServer(async (req, res) => {
    const chunks = []
    for await (const c of req) chunks.push(c)
    got.push({ body: Buffer.concat(chunks).toString(), signature: req.headers["x-notion-signature"] })
    const event = JSON.parse(got.at(-1).body)
    if (event.type) untyped.push(check("Webhook", event))
    res.end()
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const until = async check => {
    for (let i = 0; i < 300; i++) {
      const hit = got.map(g => ({ ...g, json: JSON.parse(g.body) })).find(check)
      if (hit) return hit
      await sleep(10)
    }
    assert.fail(`no such event among ${got.map(g => g.body).join("\n")}`)
  }
  try {
    await admin("POST", "webhook", { url: `http://127.0.0.1:${server.address().port}/hook` })
    const hello = await until(g => g.json.verification_token)
    const verificationToken = hello.json.verification_token
    assert.match(verificationToken, /^secret_/)
    assert.ok(await verifyWebhookSignature({ ...hello, verificationToken }))
    await admin("POST", "confirm", { token: verificationToken })

    const { ds, db } = await table("Hooked", { Name: { title: {} }, Age: { number: {} }, Note: { rich_text: {} } })
    const page = await row(ds, named("x"))
    const made = await until(g => g.json.type === "page.created" && g.json.entity.id === page.id)
    assert.ok(await verifyWebhookSignature({ ...made, verificationToken }))
    assert.equal(await verifyWebhookSignature({ body: made.body + " ", signature: made.signature, verificationToken }), false)
    assert.deepEqual(made.json.data.parent, { id: db, type: "database", data_source_id: ds })
    assert.deepEqual(made.json.authors, [{ id: (await notion.users.me({})).id, type: "bot" }])
    assert.match(made.json.timestamp, /\.\d{3}Z$/)
    assert.equal(made.json.attempt_number, 1)

    await person("edit", { page_id: page.id, properties: { Age: { number: 1 } } })
    await person("edit", { page_id: page.id, properties: { Age: { number: 2 } } })
    const edited = await until(g => g.json.type === "page.properties_updated" && g.json.entity.id === page.id)
    const ids = (await notion.dataSources.retrieve({ data_source_id: ds })).properties
    assert.deepEqual(edited.json.data.updated_properties, [ids.Age.id])
    assert.deepEqual(edited.json.authors, [{ id: (await users()).find(u => !u.bot).id, type: "person" }])

    await person("rename_property", { data_source_id: ds, property: "Note", to: "Notes" })
    const schema = await until(g => g.json.type === "data_source.schema_updated" && g.json.entity.id === ds)
    assert.deepEqual(schema.json.data.updated_properties, [{ id: ids.Note.id, name: "Notes", action: "updated" }])

    await person("trash", { page_id: page.id })
    await until(g => g.json.type === "page.deleted" && g.json.entity.id === page.id)
    await person("restore", { page_id: page.id })
    await until(g => g.json.type === "page.undeleted" && g.json.entity.id === page.id)
    await person("trash", { page_id: page.id })
    await person("restore", { page_id: page.id })
    await sleep(150)
    assert.equal(got.filter(g => JSON.parse(g.body).type === "page.deleted").length, 1, "what is undone at once is not told")
    assert.deepEqual(untyped.filter(Boolean), [])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test("markdown and views are not there", async () => {
  await refused(() => notion.pages.retrieveMarkdown({ page_id: root }), 400, APIErrorCode.InvalidRequestURL)
})
