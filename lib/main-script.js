'use strict'

// Which file stands for the application: the directories from its own upwards have the package.json that names it.

const path = require('node:path')

/** PM2 starts an application by a file of its own, which loads the application's later. */
const PM2 = /[\\/]ProcessContainer(Fork|Bun|ForkBun)?\.js$/
const MODULES = `${path.sep}node_modules${path.sep}`

/**
 * The main script; under PM2 the application's. Where a tool runs that is installed in the project (next, tsx, nest), a file in the
 * working directory, which there need not be.
 */
function mainScript ({ script = process.argv[1], env = process.env, cwd = process.cwd() } = {}) {
  if (!script) return path.join(cwd, 'package.json')
  if (PM2.test(script)) return byPm2(env) ?? script
  const full = path.resolve(cwd, script)
  const at = full.indexOf(MODULES)
  const isTool = at >= 0 && `${cwd}${path.sep}`.startsWith(full.slice(0, at + 1))
  return isTool ? path.join(cwd, 'package.json') : full
}

// In its fork mode there is a variable; in its cluster mode all of them are one, until its file has run.
function byPm2 ({ pm_exec_path: script, pm2_env: json }) {
  if (script) return script
  try {
    return JSON.parse(json).pm_exec_path
  } catch {
    return undefined
  }
}

module.exports = { mainScript }
