'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { failOn } = require('./files.js')

/** Every option of lib/options.js, and no other, has its row in docs/options.md and its member in index.d.ts, with the same defaults; so has every error code. */
module.exports.name = 'options in documents'

module.exports.run = async function (root) {
  const { OPTIONS } = require(path.join(root, 'lib', 'options.js'))
  const read = (file) => fs.readFileSync(path.join(root, file), 'utf8')
  const [page, types] = [read('docs/options.md'), read('index.d.ts')]
  failOn([...undocumented(OPTIONS, page, types), ...codes(read('lib/errors.js'), page, types)])
}

/** What is missing or wrong, one sentence each. */
function undocumented (options, page, types) {
  const problems = []
  const rows = new Map([...page.matchAll(/^\| `([a-z]\w*)` \| ([^|]*) \|/gm)].map(([, name, standard]) => [name, standard.trim()]))
  const members = membersOf(types)
  for (const [name, { default: standard, test }] of Object.entries(options)) {
    if (!rows.has(name)) problems.push(`docs/options.md has no row for ${name}`)
    if (!members.has(name)) problems.push(`index.d.ts has no option ${name}`)
    for (const value of [standard, test]) {
      if (!isPlain(value)) continue
      if (rows.has(name) && !says(rows.get(name), value)) problems.push(`docs/options.md, ${name}: the default is ${value}, and not among "${rows.get(name)}"`)
      if (members.has(name) && !says(members.get(name), value)) problems.push(`index.d.ts, ${name}: the default ${value} is not told`)
    }
  }
  for (const name of rows.keys()) if (!Object.hasOwn(options, name)) problems.push(`docs/options.md has a row for ${name}, which is no option`)
  for (const name of members.keys()) if (!Object.hasOwn(options, name)) problems.push(`index.d.ts has the option ${name}, which is none`)
  return problems
}

// The text of each member of `Options`, with its comment.
function membersOf (types) {
  const body = /^export interface Options \{\n([^]*?)^\}/m.exec(types)?.[1] ?? ''
  return new Map([...body.matchAll(/( {2}\/\*\*[^]*?\*\/)\n {2}(\w+)\?:/g)].map(([, comment, name]) => [name, comment]))
}

function isPlain (value) {
  return typeof value === 'number' || (typeof value === 'string' && value !== '')
}

// Numbers stand there with spaces between thousands, or in a larger unit.
const UNITS = { MiB: 2 ** 20, GiB: 2 ** 30, hours: 3_600_000, days: 86_400_000 }

function says (text, value) {
  if (typeof value === 'string') return text.includes(value)
  const known = text.replace(/(\d)[ \u202f](?=\d{3})/g, '$1')
  const stands = (number) => new RegExp(`(?<![\\d.])${number.replace('.', '\\.')}(?![\\d])`).test(known)
  return stands(String(value)) || Object.entries(UNITS).some(([unit, of]) => value % of === 0 && stands(`${value / of} ${unit}`))
}

function codes (errors, page, types) {
  const known = [...errors.matchAll(/^ {2}(LEAKPROBE_ERR_\w+): \{/gm)].map(([, code]) => code)
  return known.flatMap((code) => [
    ...(types.includes(`'${code}'`) ? [] : [`index.d.ts: ErrorCode lacks ${code}`]),
    ...(page.includes(`\`${code}\``) ? [] : [`docs/options.md does not explain ${code}`])
  ])
}

module.exports.undocumented = undocumented
