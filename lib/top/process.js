'use strict'

// The service's folder of a running process, and where that process serves.

const fs = require('node:fs/promises')
const path = require('node:path')

/** The recorder holds `<service's folder>/processes/<pid>-<hexadecimal>.json` open. */
const HELD = /^(.*)\/processes\/\d+-[0-9a-f]+\.json$/
const LINKS = 65_536
const LONGEST_ADDRESS = 4096

/** @returns {Promise<string | undefined>} the folder of the process's service, as it is reached from here */
async function folderOfProcess (pid) {
  return await heldBy(pid) ?? await below(path.join('/proc', pid, 'cwd', '.leakprobe'), pid) ?? await below('.leakprobe', pid)
}

async function heldBy (pid) {
  const links = await fs.readdir(path.join('/proc', pid, 'fd')).catch(() => [])
  for (const link of links.slice(0, LINKS)) {
    const target = await fs.readlink(path.join('/proc', pid, 'fd', link)).catch(() => '')
    const folder = HELD.exec(target)?.[1]
    if (folder === undefined) continue
    // In a container the same path is below its root.
    for (const place of [folder, path.join('/proc', pid, 'root', folder)]) {
      if (await fs.access(path.join(place, 'report.json')).then(() => true, () => false)) return place
    }
  }
}

/** Of the services in a directory the one whose report is this process's. */
async function below (directory, pid) {
  for (const name of await fs.readdir(directory).catch(() => [])) {
    const report = await readJson(path.join(directory, name, 'report.json'))
    if (report?.process?.pid === Number(pid)) return path.join(directory, name)
  }
}

/** @returns {Promise<string | undefined>} `http://127.0.0.1:9464`, where the process of this folder serves */
async function servedAt (folder) {
  const file = path.join(folder, 'serve.json')
  const { size } = await fs.stat(file).catch(() => ({ size: Infinity }))
  if (size > LONGEST_ADDRESS) return
  const { url } = await readJson(file) ?? {}
  return typeof url === 'string' && /^http:\/\/[\w.[\]:-]+$/.test(url) ? url : undefined
}

async function readJson (file) {
  try {
    return JSON.parse(await fs.readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}

module.exports = { folderOfProcess, servedAt }
