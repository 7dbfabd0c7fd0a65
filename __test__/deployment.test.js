'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { packageVersion, gitRevision } = require('../lib/deployment')
const { makeDirectory } = require('./helper')

const ONE = '1'.repeat(40)
const OTHER = 'abcdef0123'.repeat(4)

function write (directory, files) {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(directory, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, content)
  }
  return path.join(directory, 'src', 'deep', 'app.js')
}

test('the version is that of the nearest package.json that has one', (t) => {
  const script = write(makeDirectory(t), { 'package.json': '{ "version": "2.3.4" }', 'src/package.json': '{ "type": "module" }' })
  assert.equal(packageVersion(script), '2.3.4')
  assert.equal(packageVersion(write(makeDirectory(t), { 'package.json': '{ no json' })), '')
})

test('the revision is read from the files of git', (t) => {
  const revision = (files) => gitRevision(write(makeDirectory(t), files))
  assert.equal(revision({ '.git/HEAD': `${ONE}\n` }), ONE)
  assert.equal(revision({ '.git/HEAD': 'ref: refs/heads/main\n', '.git/refs/heads/main': `${OTHER}\n` }), OTHER)
  const packed = `# pack-refs with: peeled\n${ONE} refs/heads/other\n${OTHER} refs/heads/feature/mails\n`
  assert.equal(revision({ '.git/HEAD': 'ref: refs/heads/feature/mails\n', '.git/packed-refs': packed }), OTHER)
  assert.equal(revision({
    '.git': 'gitdir: elsewhere/worktrees/one\n',
    'elsewhere/worktrees/one/HEAD': 'ref: refs/heads/main\n',
    'elsewhere/worktrees/one/commondir': '../..\n',
    'elsewhere/refs/heads/main': ONE
  }), ONE)
})

test('what git never wrote is no revision', (t) => {
  const revision = (files) => gitRevision(write(makeDirectory(t), files))
  for (const head of ['', 'ref: refs/heads/none\n', 'ref: refs/../../../etc/hostname\n', 'ref: /etc/hostname', `${ONE}; rm -rf`, 'x'.repeat(2_000_000)]) {
    assert.equal(revision({ '.git/HEAD': head }), '')
  }
  assert.equal(revision({ '.git': 'gitdir: nowhere\n' }), '')
  assert.equal(revision({ '.git/config': '' }), '')
})
