'use strict'

// CPU time of the app thread alone: `process.cpuUsage()` would count the collector's and every other thread with it.

const fs = require('node:fs')

/** @returns {number} ns that the main thread was on a CPU since it began; on Linux with schedstat, else of the whole process */
function appThreadCpuNs () {
  try {
    const nanoseconds = Number(fs.readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0])
    if (nanoseconds > 0) return nanoseconds
  } catch {}
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage()
  return (user + system) * 1000
}

module.exports.appThreadCpuNs = appThreadCpuNs
