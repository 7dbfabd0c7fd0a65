'use strict'

const path = require('node:path')
const { runStep } = require('../setup/step.js')
const { failOn, projectFiles } = require('./files.js')

const OPTIONS = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--types', 'node']

/** index.d.ts says what the type tests say, in strict mode. */
module.exports.name = 'types'

module.exports.run = async function (root) {
  const files = projectFiles(root, /^__test__\/types\/.*\.ts$/)
  if (files.length === 0) failOn(['there is no type test'])
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  await runStep({ title: module.exports.name, command: process.execPath, args: [tsc, ...OPTIONS, ...files], cwd: root })
}
