// Valid values of a JSON Schema made from Notion's request types: one for each
// branch of each union and for each optional key, varied one at a time.
import { follow } from "./schema.js"

// samples lists values of schema. text answers the strings to try at a path of keys.
// Below a key of brief, objects are not varied.
export function samples(schema, text, brief = [], path = []) {
  schema = follow(schema)
  if ("const" in schema) return [schema.const]
  if (schema.enum) return schema.enum
  if (schema.anyOf) return schema.anyOf.flatMap(s => samples(s, text, brief, path))
  const types = [schema.type].flat()
  return types.flatMap(type => {
    switch (type) {
      case "null": return [null]
      case "boolean": return [true, false]
      case "number": case "integer": return [0, -1.5, 42]
      case "string": return text(path)
      case "array": return arrays(schema, text, brief, path)
      case "object": return objects(schema, text, brief, path)
    }
    throw new Error(`no samples of ${type} at ${path.join(".")}`)
  })
}

function arrays(schema, text, brief, path) {
  const items = path.length > 12 ? [] : samples(schema.items, text, brief, [...path, "0"])
  return [...items.map(v => [v]), []]
}

function objects(schema, text, brief, path) {
  const keys = Object.keys(schema.properties ?? {}).filter(k => k !== "archived") // 2026-03-11 has none
  const of = k => samples(schema.properties[k], text, brief, [...path, k])
  const required = keys.filter(k => schema.required?.includes(k))
  const values = Object.fromEntries(required.map(k => [k, of(k)]))
  if (required.some(k => values[k].length === 0)) return []
  const base = Object.fromEntries(required.map(k => [k, values[k][0]]))
  const out = [base]
  if (path.some(k => brief.includes(k))) return out
  for (const k of required) for (const v of values[k].slice(1)) out.push({ ...base, [k]: v })
  for (const k of keys) {
    if (!required.includes(k)) for (const v of of(k)) out.push({ ...base, [k]: v })
  }
  return out
}
