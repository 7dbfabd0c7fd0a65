'use strict'

// Where code stands: the stack of now, and what is told of a frame. File, line and function are those of the source,
// where Node has a source map; the package is the one nearest in node_modules.
//
// Invariant: the application's own Error.prepareStackTrace is neither called nor left changed.

const fs = require('node:fs')
const path = require('node:path')
const { findSourceMap } = require('node:module')
const { fileURLToPath } = require('node:url')

/** Frames looked at: Node's own on top may be a dozen. */
const DEPTH = 32
/** Frames told of. */
const MOST_FRAMES = 8
/** Folders whose application is known. */
const MOST_FOLDERS = 1024
/** Longest text of a frame. */
const LONGEST = 300

const OURS = __dirname + path.sep
const NODE_MODULES = `${path.sep}node_modules${path.sep}`

const { captureStackTrace } = Error
const OriginalError = Error

/** Call sites of now, innermost first, without `below` and what it called; none where they cannot be had. */
function callSites (below) {
  const { stackTraceLimit, prepareStackTrace } = OriginalError
  const holder = {}
  try {
    OriginalError.prepareStackTrace = (_, sites) => sites
    OriginalError.stackTraceLimit = DEPTH
    captureStackTrace.call(OriginalError, holder, below)
    return Array.isArray(holder.stack) ? holder.stack : []
  } catch {
    // Frozen intrinsics.
    return []
  } finally {
    try {
      OriginalError.stackTraceLimit = stackTraceLimit
      OriginalError.prepareStackTrace = prepareStackTrace
    } catch {}
  }
}

/** Raw frames `{ function, file, line, column }`, 1-based, of call sites: those of Node, of ours and of evaluated code are left out. */
function framesOfSites (sites) {
  const frames = []
  for (const site of sites) {
    const file = site.getFileName()
    if (!isCode(file)) continue
    frames.push({ function: site.getFunctionName() ?? undefined, file, line: site.getLineNumber() ?? 0, column: site.getColumnNumber() ?? 0 })
    if (frames.length === MOST_FRAMES) break
  }
  return frames
}

/**
 * What tells two places apart: the innermost frame and, when that is a package's, the first one of the application. The frames
 * in between are those of frameworks, which come to one handler by many ways.
 */
function placeOf (frames) {
  const own = frames.find(({ file }) => !file.includes(NODE_MODULES)) ?? frames[0]
  const at = ({ file, line, column }) => `${file}:${line}:${column}`
  return own === frames[0] ? at(own) : `${at(frames[0])} ${at(own)}`
}

/** Whether a file's code is an application's or a package's. */
function isCode (file) {
  return typeof file === 'string' && file !== '' && !file.startsWith('node:') && (file.startsWith('file:') || path.isAbsolute(file)) && !pathOf(file).startsWith(OURS)
}

/** What is told of a raw frame: `{ function, file, line, package }`. */
function describeFrame (raw) {
  const { file, line, name } = original(raw)
  const full = pathOf(file)
  return {
    function: text(name ?? raw.function),
    file: text(relative(full)),
    line,
    package: text(packageOf(full))
  }
}

// A map that is damaged, or knows nothing of the place, leaves the compiled one.
function original ({ file, line, column }) {
  try {
    const entry = findSourceMap(file)?.findEntry(line - 1, Math.max(0, column - 1))
    if (entry?.originalSource !== undefined && entry.originalLine !== undefined) {
      return { file: resolved(entry.originalSource, file), line: entry.originalLine + 1, name: entry.name }
    }
  } catch {}
  return { file, line }
}

function resolved (source, compiled) {
  return /^[a-z][a-z0-9+.-]+:/i.test(source) || path.isAbsolute(source) ? source : path.resolve(path.dirname(pathOf(compiled)), source)
}

function pathOf (file) {
  if (!file.startsWith('file:')) return file
  try {
    return fileURLToPath(file)
  } catch {
    return file
  }
}

/** Package of a file below node_modules; undefined for the application's own. */
function packageOf (file) {
  const at = file.lastIndexOf(NODE_MODULES)
  if (at < 0) return undefined
  const [first, second] = file.slice(at + NODE_MODULES.length).split(path.sep)
  return first.startsWith('@') && second !== undefined ? `${first}/${second}` : first
}

// From the folder of the application's package.json, for a package from the one that its node_modules is in.
function relative (file) {
  if (!path.isAbsolute(file)) return file
  const inPackage = file.indexOf(NODE_MODULES)
  const root = rootOf(inPackage < 0 ? path.dirname(file) : file.slice(0, inPackage))
  const below = path.relative(root, file)
  return below === '' || below.startsWith('..') ? file : below.split(path.sep).join('/')
}

const roots = new Map()

function rootOf (folder) {
  const known = roots.get(folder)
  if (known !== undefined) return known
  if (roots.size >= MOST_FOLDERS) roots.clear()
  let root = folder
  while (!fs.existsSync(path.join(root, 'package.json'))) {
    const parent = path.dirname(root)
    if (parent === root) {
      root = process.cwd()
      break
    }
    root = parent
  }
  roots.set(folder, root)
  return root
}

function text (value) {
  return typeof value === 'string' && value !== '' ? value.slice(0, LONGEST) : undefined
}

module.exports = { callSites, framesOfSites, placeOf, isCode, describeFrame, MOST_FRAMES }
