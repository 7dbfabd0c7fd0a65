'use strict'

const { runStep } = require('../setup/step.js')

const FILES = ['binding.js', 'binding.d.ts']

/** The committed loader and its types are those that the build makes. */
module.exports.name = 'generated files'

module.exports.run = async function (root) {
  await runStep({ title: 'generating', command: 'npm', args: ['run', 'build'], cwd: root })
  await runStep({ title: 'generated files are committed', command: 'git', args: ['ls-files', '--error-unmatch', ...FILES], cwd: root })
  await runStep({ title: module.exports.name, command: 'git', args: ['diff', '--exit-code', '--', ...FILES], cwd: root })
}
