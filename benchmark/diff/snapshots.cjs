'use strict'

// Preloaded into a server of the corpus: heap snapshots by V8 itself once so many requests have come, for a comparison.
// LEAKPROBE_BENCH_MOMENTS="700,1700" numbers of requests, LEAKPROBE_BENCH_FOLDER where 1.heapsnapshot and 2.heapsnapshot go.

const { subscribe } = require('node:diagnostics_channel')
const fs = require('node:fs')
const path = require('node:path')
const v8 = require('node:v8')

const folder = process.env.LEAKPROBE_BENCH_FOLDER
const moments = process.env.LEAKPROBE_BENCH_MOMENTS?.split(',').map(Number) ?? []
let requests = 0
let taken = 0

function take () {
  const file = path.join(folder, `${++taken}.heapsnapshot`)
  v8.writeHeapSnapshot(`${file}.part`)
  fs.renameSync(`${file}.part`, file)
}

// Servers that an app starts for itself inherit the preload.
if (path.basename(process.argv[1] ?? '') === 'app.js' && folder !== undefined) {
  subscribe('http.server.request.start', () => {
    if (++requests === moments[taken]) setImmediate(take)
  })
}
