'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { failOn, projectFiles } = require('./files.js')

/** Every relative link in a Markdown file leads to a file that is there, and to a heading in it. */
module.exports.name = 'links in documents'

module.exports.run = async function (root) {
  failOn(projectFiles(root, /\.md$/).flatMap((file) => brokenLinks(root, file)))
}

function brokenLinks (root, file) {
  const broken = []
  for (const [, target] of withoutCode(fs.readFileSync(path.join(root, file), 'utf8')).matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)) {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) continue
    const [name, heading] = target.split('#')
    const to = name === '' ? path.join(root, file) : path.resolve(root, path.dirname(file), decodeURI(name))
    if (!fs.existsSync(to)) broken.push(`${file}: ${target}: no such file`)
    else if (heading && to.endsWith('.md') && !headings(to).has(heading)) broken.push(`${file}: ${target}: no such heading`)
  }
  return broken
}

function withoutCode (text) {
  return text.replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, '')
}

// The anchors that GitHub gives to headings.
function headings (file) {
  const text = fs.readFileSync(file, 'utf8').replace(/^```[^]*?^```/gm, '')
  return new Set([...text.matchAll(/^#+ +(.*)$/gm)].map(([, title]) => title.trim().toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-')))
}
