'use strict'

// The service's folder of a running process, and where that process serves.

const fs = require('node:fs/promises')
const os = require('node:os')
const path = require('node:path')

/** The recorder holds `<service's folder>/processes/<pid>-<hexadecimal>.json` open. */
const HELD = /^(.*)\/processes\/\d+-[0-9a-f]+\.json$/
const LINKS = 65_536

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

/**
 * @returns {string | undefined} `http://127.0.0.1:9464`, where the process of this report serves by its own word; another machine's
 *   address is none, for a directory may come from anywhere, and the token goes where this says
 */
function servedAt (report) {
  const { state, because } = report.process.capabilities?.server ?? {}
  const [address, six, four] = (state === 'native' && /http:\/\/(?:\[([0-9a-f:.]+)\]|([0-9.]+)):\d+/.exec(because)) || []
  return address !== undefined && isOurs(six ?? four) ? address : undefined
}

function isOurs (host) {
  const own = Object.values(os.networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
  return ['0.0.0.0', '::', '::1'].includes(host) || host.startsWith('127.') || own.includes(host)
}

async function readJson (file) {
  try {
    return JSON.parse(await fs.readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}

module.exports = { folderOfProcess, servedAt }
