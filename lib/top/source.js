'use strict'

// Where the numbers come from: the HTTP interface of a process that serves, else the report that it keeps in its directory.

const fs = require('node:fs/promises')
const http = require('node:http')
const path = require('node:path')
const { folderOfProcess, servedAt } = require('./process')

const PATIENCE_MS = 2000
const LONGEST = 64 << 20
/** A report that is older than this is told to be old: by default one is written every ten seconds. */
const OLD_MS = 30_000

/** What cannot be shown, for people. */
class NothingThere extends Error {}

/**
 * @param {string} word a directory of the probe, a service's folder in it, or the id of a process
 * @param {{ token?: string }} [options]
 * @returns {Promise<{ read: () => Promise<{ report: object, stats?: object, series?: object, from: string, silence?: string }> }>}
 */
async function openSource (word, { token } = {}) {
  const folder = await folderOf(word)
  let last
  return {
    async read () {
      last = await kept(folder) ?? last
      if (last === undefined) throw new NothingThere(`no report in ${folder} yet`)
      const address = servedAt(last.report)
      if (address === undefined) return last
      try {
        const [report, stats, series] = await Promise.all(['report', 'stats', 'series?minutes=2'].map((name) => ask(`${address}/api/${name}`, token)))
        // Another process may have taken the port since.
        if (isReport(report) && report.process.pid === last.report.process.pid) return { report, stats, series, from: address }
      } catch (error) {
        if (error instanceof NothingThere) throw error
        // Its port may be closed while the process still writes its report.
      }
      return last
    }
  }
}

async function kept (folder) {
  const file = path.join(folder, 'report.json')
  try {
    const { mtimeMs, size } = await fs.stat(file)
    if (size > LONGEST) throw new NothingThere(`${file}: ${size} bytes are more than a report can have`)
    const report = JSON.parse(await fs.readFile(file, 'utf8'))
    if (!isReport(report)) throw new NothingThere(`${file}: this is no report`)
    const ageMs = Date.now() - mtimeMs
    const silence = ageMs < OLD_MS ? undefined : `this report was written ${new Date(mtimeMs).toISOString()}${isAlive(report.process.pid) ? '' : `; process ${report.process.pid} has ended`}`
    return { report, from: `report.json, ${Math.max(0, Math.round(ageMs / 1000))} s old`, silence }
  } catch (error) {
    // It is replaced while we look, or the directory is gone: what was known stays on the screen.
    if (error.code === 'ENOENT') return undefined
    throw error instanceof NothingThere ? error : new NothingThere(`${file}: ${error.message}`)
  }
}

function isReport (value) {
  return typeof value?.schema === 'string' && value.schema.startsWith('leakprobe.report/') && typeof value.process?.uptimeMs === 'number' &&
    [value.leaks, value.hypotheses, value.routes].every(Array.isArray) && typeof value.cost?.pauseMs === 'object'
}

async function folderOf (word) {
  if (/^\d+$/.test(word) && !(await exists(word))) {
    const folder = await folderOfProcess(word)
    if (folder === undefined) throw new NothingThere(isAlive(Number(word)) ? `process ${word} has no probe with a directory, or it is another user's` : `there is no process ${word}`)
    return folder
  }
  if (await exists(path.join(word, 'report.json'))) return word
  let names
  try {
    names = await fs.readdir(word)
  } catch (error) {
    throw new NothingThere(`${word}: ${error.code === 'ENOENT' ? 'there is no such directory' : error.message}`)
  }
  const found = []
  for (const name of names.sort()) if (await exists(path.join(word, name, 'report.json'))) found.push(path.join(word, name))
  if (found.length === 0) throw new NothingThere(`no report.json in ${word} nor one level below`)
  if (found.length > 1) throw new NothingThere(`several services are kept there; name one of ${found.join(', ')}`)
  return found[0]
}

async function exists (file) {
  return fs.access(file).then(() => true, () => false)
}

function isAlive (pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function ask (address, token) {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const request = http.get(address, { headers, agent: false, timeout: PATIENCE_MS }, (response) => {
      const chunks = []
      let length = 0
      response.on('data', (chunk) => {
        length += chunk.length
        if (length > LONGEST) response.destroy(new Error('too long an answer'))
        else chunks.push(chunk)
      })
      response.once('error', reject)
      response.once('end', () => {
        if (response.statusCode === 401) return reject(new NothingThere(`${address} asks for a token: LEAKPROBE_SERVE_TOKEN`))
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`))
        try {
          resolve(JSON.parse(Buffer.concat(chunks)))
        } catch (error) {
          reject(error)
        }
      })
    })
    request.once('timeout', () => request.destroy(new Error('no answer')))
    request.once('error', reject)
  })
}

module.exports = { NothingThere, openSource }
