// What every suite needs: clients for both versions, the admin endpoints, and
// small makers of databases, rows and text.
import { Client, APIResponseError, isNotionClientError } from "@notionhq/client"
import assert from "node:assert/strict"
import { fetchJudged } from "./wire.js"

export const url = process.env.EMULATOR_URL
export const token = process.env.EMULATOR_TOKEN
export const root = process.env.EMULATOR_ROOT

const quiet = () => {}
export const client = (more = {}) =>
  new Client({ auth: token, baseUrl: url, logger: quiet, retry: false, fetch: fetchJudged, ...more })
export const notion = client()
export const notion26 = client({ notionVersion: "2026-03-11" })

export async function admin(method, path, body) {
  const r = await fetch(`${url}/_emulator/${path}`, { method, body: body && JSON.stringify(body) })
  const out = await r.json()
  assert.equal(r.status, 200, JSON.stringify(out))
  return out
}
export const person = (action, body) => admin("POST", `people/${action}`, body)
export const fault = body => admin("POST", "faults", body)
export const users = async () => (await admin("GET", "state")).users

export const rt = content => [{ type: "text", text: { content } }]
export const text = items => items.map(i => i.plain_text).join("")

export async function table(title, properties, api = notion) {
  const db = await api.databases.create({
    parent: { type: "page_id", page_id: root },
    title: rt(title),
    initial_data_source: { properties },
  })
  return { db: db.id, ds: db.data_sources[0].id }
}
export const row = (ds, properties, api = notion) =>
  api.pages.create({ parent: { type: "data_source_id", data_source_id: ds }, properties })
export const named = name => ({ Name: { title: rt(name) } })

// refused runs f and checks what it is refused with; it returns the error.
export async function refused(f, status, code, message) {
  try {
    await f()
  } catch (e) {
    assert.ok(isNotionClientError(e), `not a client error: ${e}`)
    assert.ok(APIResponseError.isAPIResponseError(e), `not an API error: ${e}`)
    assert.equal(e.code, code)
    assert.equal(e.status, status)
    if (message instanceof RegExp) assert.match(e.message, message)
    else if (message) assert.equal(e.message, message)
    assert.match(e.request_id ?? "", /^[0-9a-f-]{36}$/)
    return e
  }
  assert.fail(`not refused with ${code}`)
}
