'use strict'

// npm run package: the npm packages, as folders and as tarballs: leakprobe itself, and one per platform whose binary is there.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { makeMain } = require('./package/main.js')
const { makePlatforms } = require('./package/platforms.js')
const { setupOrExit } = require('./setup.js')

const ROOT = path.join(__dirname, '..')
const MOST_BYTES = 10_000_000
const USAGE = `npm run package -- [options]
  --out DIR        emptied first; default npm
  --binaries DIR   where leakprobe.PLATFORM.node files are; default the root
  --all            it is an error when the binary of a declared platform is missing
`

async function main () {
  const { out, from, all } = readOptions()
  if (from === ROOT) await setupOrExit()
  fs.rmSync(out, { recursive: true, force: true })
  const { made, missing } = await makePlatforms(ROOT, path.join(out, 'platforms'), from)
  if (made.length === 0) throw new Error(`there is no binary in ${from}`)
  if (missing.length > 0) process.stdout.write(`no binary for: ${missing.join(', ')}\n`)
  if (all && missing.length > 0) throw new Error('a declared platform has no binary')
  makeMain(ROOT, path.join(out, 'leakprobe'), made.map(({ name }) => name))
  const packed = [{ folder: path.join(out, 'leakprobe') }, ...made].map(({ folder }) => pack(folder, out))
  for (const { filename, size, unpackedSize, entryCount } of packed) {
    process.stdout.write(`${filename.padEnd(40)} ${megabytes(size)} packed, ${megabytes(unpackedSize)} unpacked, ${entryCount} files\n`)
  }
  const [main, ...binaries] = packed.map(({ unpackedSize }) => unpackedSize)
  if (main + Math.max(...binaries) > MOST_BYTES) throw new Error(`more than ${megabytes(MOST_BYTES)} unpacked on one platform`)
}

function pack (folder, out) {
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', out], { cwd: folder, encoding: 'utf8' }))
  return packed
}

function megabytes (bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { all: { type: 'boolean' }, binaries: { type: 'string' }, help: { type: 'boolean' }, out: { type: 'string' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  return { out: path.resolve(values.out ?? path.join(ROOT, 'npm')), from: path.resolve(values.binaries ?? ROOT), all: values.all === true }
}

function refuse (why) {
  process.stderr.write(`${why}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
