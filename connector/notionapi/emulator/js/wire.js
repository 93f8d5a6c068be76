// A fetch that holds every good answer against Notion's own types.
import assert from "node:assert/strict"
import { check } from "./schema.js"

// kinds is which type answers which path; the first match counts.
const kinds = [
  [/^\/v1\/(data_sources|databases)\/[^/]+\/query$/, "Query"],
  [/^\/v1\/data_sources\/[^/]+\/templates$/, "Templates"],
  [/^\/v1\/data_sources/, "DataSource"],
  [/^\/v1\/databases/, "Database"],
  [/^\/v1\/pages\/[^/]+\/properties\//, "PropertyItem"],
  [/^\/v1\/pages/, "Page"],
  [/^\/v1\/blocks\/[^/]+\/children$/, "Blocks"],
  [/^\/v1\/blocks/, "Block"],
  [/^\/v1\/users\/.+/, "User"],
  [/^\/v1\/users$/, "Users"],
  [/^\/v1\/comments\/.+/, "Comment"],
  [/^\/v1\/comments$/, "Comments"],
  [/^\/v1\/search$/, "Search"],
  [/^\/v1\/file_uploads\/.+/, "FileUpload"],
  [/^\/v1\/file_uploads$/, "FileUploads"],
]

function kindOf(method, path) {
  const kind = kinds.find(([pattern]) => pattern.test(path))?.[1]
  if (method === "POST" && kind === "Comments") return "Comment"
  if (method === "POST" && kind === "FileUploads") return "FileUpload"
  return kind
}

// Documented, but not in the client's types: has_more beside a relation
// (reference/page-property-values); "type" of a property of a kind that came
// later is skipped with its value, since readers must tolerate it.
const known = new Set(`title rich_text number select multi_select status date people files checkbox url email phone_number formula
  relation rollup created_time created_by last_edited_time last_edited_by unique_id verification button place`.split(/\s+/))

// The types have no button, verification, place or last_visited_time among the
// columns of a data source.
const columns = new Set([...known].filter(t => !["button", "verification", "place"].includes(t)))

// What came after the last types of 2022-06-28 and appears on every version.
const later = new Set(["is_archived", "is_locked", "workspace_id"])
const lately = p => p.type === "place" || p[p.type]?.type === "unsupported"

// tame copies an answer as the types have it: 2026-03-11 has no archived at all.
function tame(value, version, top = true) {
  if (Array.isArray(value)) return value.map(v => tame(v, version, false))
  if (value === null || typeof value !== "object") return value
  const out = {}
  for (const [k, v] of Object.entries(value)) {
    if (top && k === "request_id") continue
    if (version === "2022-06-28" && later.has(k)) continue
    if (k === "has_more" && value.type === "relation") continue
    if (k === "properties" && value.object) {
      const good = value.object === "page" ? known : columns
      out[k] = Object.fromEntries(Object.entries(v).filter(([, p]) => good.has(p.type) && !(version === "2022-06-28" && lately(p))).map(([n, p]) => [n, tame(p, version, false)]))
    } else out[k] = tame(v, version, false)
  }
  if (version === "2026-03-11") {
    assert.ok(!("archived" in value), `archived in an answer of ${version}`)
    if ("in_trash" in value) out.archived = value.in_trash
  }
  return out
}

export function complaints(method, path, version, answer) {
  const kind = kindOf(method, path)
  assert.ok(kind, `no type for ${method} ${path}`)
  const age = version === "2022-06-28" ? "2022" : "now"
  return check(kind, tame(answer, version), age)
}

export const judged = { answers: 0 }
export async function fetchJudged(url, init = {}) {
  const response = await fetch(url, init)
  if (response.status !== 200) return response
  const version = new Headers(init.headers).get("notion-version")
  const path = new URL(url).pathname
  const method = (init.method ?? "GET").toUpperCase()
  const text = await response.clone().text()
  const wrong = complaints(method, path, version, JSON.parse(text))
  if (wrong) throw new assert.AssertionError({ message: `${method} ${path} under ${version} is not of its type:\n${wrong}\n${text.slice(0, 1500)}` })
  judged.answers++
  return response
}
