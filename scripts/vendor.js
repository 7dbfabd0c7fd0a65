'use strict'

// npm run vendor: copies what the dashboard needs of npm packages next to it, for the addon is built from there.

const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')

/** From the packages, to the dashboard. */
const COPIES = [
  ['node_modules/uplot/dist/uPlot.iife.min.js', 'dashboard/uPlot.iife.min.js'],
  ['node_modules/uplot/dist/uPlot.min.css', 'dashboard/uPlot.min.css'],
  ['node_modules/uplot/LICENSE', 'dashboard/uPlot.LICENSE']
]

module.exports.COPIES = COPIES

if (require.main === module) {
  for (const [from, to] of COPIES) fs.copyFileSync(path.join(ROOT, from), path.join(ROOT, to))
}
