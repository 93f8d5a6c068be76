// JSON Schemas of Notion's own types, and the checks made of them. Building them
// takes the TypeScript compiler some seconds, so they are kept in node_modules
// until the types or the clients change.
import fs from "node:fs"
import { createHash } from "node:crypto"
import Ajv from "ajv"

const here = name => new URL(name, import.meta.url)
const lock = fs.readFileSync(here("package-lock.json"))

async function definitions(source) {
  const key = createHash("sha256").update(lock).update(fs.readFileSync(here(source))).digest("hex").slice(0, 16)
  const kept = here(`node_modules/.judge-${source}-${key}.json`)
  if (!fs.existsSync(kept)) {
    const { createGenerator } = await import("ts-json-schema-generator")
    const made = createGenerator({ path: here(source).pathname, type: "*", skipTypeCheck: true, additionalProperties: false }).createSchema("*")
    const fresh = new URL(`${kept}.${process.pid}`)
    fs.writeFileSync(fresh, JSON.stringify(made))
    fs.renameSync(fresh, kept)
  }
  return JSON.parse(fs.readFileSync(kept))
}

const schemas = { now: await definitions("types.ts"), 2022: await definitions("types-2022.ts") }
// follow resolves a reference; definition is a type by name.
export function follow(schema) {
  while (schema.$ref) schema = schemas.now.definitions[decodeURIComponent(schema.$ref.slice("#/definitions/".length))]
  return schema
}
export const definition = name => follow(schemas.now.definitions[name])

const compiled = new Map()
// check answers the complaints about a value as one text; "" is none.
export function check(name, value, age = "now") {
  const key = `${age} ${name}`
  if (!compiled.has(key)) {
    if (!schemas[age].definitions[name]) throw new Error(`no type ${name} in ${age}`)
    const ajv = new Ajv({ strict: false, allErrors: false, verbose: false })
    compiled.set(key, ajv.compile({ ...schemas[age], $ref: `#/definitions/${name}` }))
  }
  const valid = compiled.get(key)
  return valid(value) ? "" : nearest(valid.errors, value)
}

// nearest keeps the complaints that lie deepest in the value, and of a union those
// of the branch that the value's own type names.
function nearest(errors, value) {
  const at = path => path.split("/").slice(1).reduce((v, k) => v?.[k.replaceAll("~1", "/").replaceAll("~0", "~")], value)
  const depth = e => e.instancePath.split("/").length
  const most = Math.max(...errors.map(depth))
  const other = e => e.keyword === "const" || e.keyword === "anyOf" ||
    e.keyword === "required" && typeof at(e.instancePath)?.type === "string" && e.params.missingProperty !== at(e.instancePath).type
  const near = errors.filter(e => depth(e) >= most - 1)
  const best = near.some(e => !other(e)) ? near.filter(e => !other(e)) : near
  return [...new Set(best.map(e =>
    `${e.instancePath || "/"} ${e.message} ${JSON.stringify(e.params)}, is ${JSON.stringify(at(e.instancePath))?.slice(0, 200)}`))].slice(0, 6).join("\n")
}
