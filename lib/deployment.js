'use strict'

// Which version of the application runs: the default of the option `version`, and the revision of its source, read from
// git's own files.

const fs = require('node:fs')
const path = require('node:path')
const { mainScript } = require('./main-script')

/** Nothing of git's that names a revision is longer. */
const LONGEST_FILE = 1_048_576

/** `version` of the package.json nearest to the main script; '' where there is none. */
function packageVersion (script = mainScript()) {
  return nearest(script, (directory) => {
    const version = parsed(path.join(directory, 'package.json'))?.version
    return typeof version === 'string' && version !== '' ? version.slice(0, 100) : undefined
  }) ?? ''
}

/** The revision that is checked out around the main script; '' where there is none. */
function gitRevision (script = mainScript()) {
  return nearest(script, (directory) => {
    const git = gitDirectory(path.join(directory, '.git'))
    return git === undefined ? undefined : revisionIn(git) ?? ''
  }) ?? ''
}

function nearest (script, find) {
  let directory = path.dirname(path.resolve(script))
  for (;;) {
    const found = find(directory)
    if (found !== undefined) return found
    const parent = path.dirname(directory)
    if (parent === directory) return undefined
    directory = parent
  }
}

// A worktree's and a submodule's `.git` is a file that says where the directory is.
function gitDirectory (place) {
  try {
    if (fs.statSync(place).isDirectory()) return place
  } catch {
    return undefined
  }
  const to = /^gitdir: (.+)$/m.exec(text(place) ?? '')?.[1]
  return to === undefined ? undefined : path.resolve(path.dirname(place), to.trim())
}

function revisionIn (git) {
  const head = text(path.join(git, 'HEAD'))?.trim()
  const name = /^ref: (refs\/[^\0]+)$/.exec(head ?? '')?.[1]
  if (name === undefined) return revision(head)
  if (name.split('/').includes('..')) return undefined
  // Of a worktree, branches are in the directory that it shares with the others.
  const shared = path.resolve(git, text(path.join(git, 'commondir'))?.trim() ?? '.')
  const loose = [git, shared].map((directory) => revision(text(path.join(directory, name)))).find((found) => found !== undefined)
  return loose ?? packed(text(path.join(shared, 'packed-refs')) ?? '', name)
}

function packed (refs, name) {
  const line = refs.split('\n').find((one) => one.slice(41) === name)
  return revision(line?.slice(0, 40))
}

function revision (value) {
  const trimmed = value?.trim()
  return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(trimmed ?? '') ? trimmed : undefined
}

function parsed (file) {
  try {
    return JSON.parse(text(file))
  } catch {
    return undefined
  }
}

function text (file) {
  try {
    if (fs.statSync(file).size > LONGEST_FILE) return undefined
    return fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

module.exports = { packageVersion, gitRevision }
