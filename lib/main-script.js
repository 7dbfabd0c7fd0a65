'use strict'

// Which file stands for the application: the directories from its own upwards have the package.json that names it. And where it runs, with what environment.

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
  if (PM2.test(script)) return environment({ script, env }).pm_exec_path ?? script
  const full = path.resolve(cwd, script)
  const at = full.indexOf(MODULES)
  const isTool = at >= 0 && `${cwd}${path.sep}`.startsWith(full.slice(0, at + 1))
  return isTool ? path.join(cwd, 'package.json') : full
}

/** The application's environment. In PM2's cluster mode it is the JSON of one variable, until PM2's own file has run. */
function environment ({ script = process.argv[1], env = process.env } = {}) {
  if (env.pm2_env === undefined || !PM2.test(script)) return env
  const variables = (entries) => Object.fromEntries(entries.filter(([, value]) => typeof value !== 'object').map(([name, value]) => [name, String(value)]))
  try {
    return { ...env, ...variables(Object.entries(JSON.parse(env.pm2_env))) }
  } catch {
    return env
  }
}

/** Where the application runs. PM2's cluster mode goes there when its own file runs. */
function workingDirectory ({ script = process.argv[1], env = process.env } = {}) {
  const { pm_cwd: later } = env.pm2_env === undefined ? {} : environment({ script, env })
  return later ?? process.cwd()
}

module.exports = { mainScript, environment, workingDirectory }
