'use strict'

// The files that belong to the project: those that git knows, and new ones that it does not ignore.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const GENERATED = new Set(['binding.js', 'binding.d.ts'])

/** @returns {string[]} paths relative to the root, with forward slashes, without generated files */
function projectFiles (root, pattern) {
  const names = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8' })
  return names.split('\0').filter((name) => pattern.test(name) && !GENERATED.has(name) && fs.existsSync(path.join(root, name)))
}

/** Rejects a check with all that it found. */
function failOn (problems) {
  if (problems.length > 0) throw new Error(problems.map((problem) => `  ${problem}`).join('\n'))
}

module.exports.failOn = failOn
module.exports.projectFiles = projectFiles
