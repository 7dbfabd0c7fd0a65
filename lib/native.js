'use strict'

// The only file that requires the addon, or its generated loader.

const fs = require('node:fs')
const path = require('node:path')
const { codedError, fromNative } = require('./errors')

const REINSTALL = 'Reinstall leakprobe on this machine, with optional dependencies (node_modules copied from another platform lack the binary); ' +
  'where there is none for the platform, build it with "npm run build" in a clone'

/** What stands after platform and architecture in a binary's name. musl's is left to the loader, which can tell it from glibc. */
const ABI = { linux: '-gnu', win32: '-msvc' }

/** Variables that tell the loader to look elsewhere, or closer. */
const LOADER_ONLY = ['NAPI_RS_NATIVE_LIBRARY_PATH', 'NAPI_RS_FORCE_WASI', 'NAPI_RS_ENFORCE_VERSION_CHECK']

let addon
let failure

/** The addon, loaded at the first call. Throws LEAKPROBE_ERR_NATIVE where it is missing or made for another platform. */
function loadNative () {
  const why = whyNotNative()
  if (why !== undefined) throw why
  return addon
}

/** Why the addon does not load, a LEAKPROBE_ERR_NATIVE that says what to do; undefined where it does. Tried once. */
function whyNotNative () {
  if (addon !== undefined || failure !== undefined) return failure
  addon = likely()
  if (addon !== undefined) return undefined
  // The loader looks for musl in a report, and would leave reports of the application without their network part.
  const { report } = process
  const excludesNetwork = report?.excludeNetwork
  try {
    addon = require('../binding.js')
  } catch (error) {
    failure = explain(error)
  } finally {
    if (report !== undefined && report.excludeNetwork !== excludesNetwork) report.excludeNetwork = excludesNetwork
  }
  return failure
}

/**
 * The addon where it nearly always is: built here, or in the platform's package. Undefined where it is not, or does not load: the
 * loader then looks everywhere, and says why it found none. Compiling the loader takes longer than loading the addon.
 */
function likely () {
  const { env, platform, arch } = process
  if (LOADER_ONLY.some((name) => env[name])) return undefined
  const name = `${platform}-${arch}${ABI[platform] ?? ''}`
  const built = path.join(__dirname, '..', `leakprobe.${name}.node`)
  try {
    return require(fs.existsSync(built) ? built : `leakprobe-${name}`)
  } catch {
    return undefined
  }
}

/** The error for an addon that is there, and is not to be used. */
function switchedOff () {
  return codedError('LEAKPROBE_ERR_NATIVE', { platform: platform(), reason: 'it is switched off by the option `without`', remedy: 'Leave it out there' })
}

// The loader hands over what it tried as a chain of causes, of which it keeps the messages only.
function explain (error) {
  const tried = causes(error).map(firstLine)
  const disabled = tried.find((message) => message.includes('loading addons is disabled'))
  const [first, ...others] = tried
  const broken = others.find((message) => !message.startsWith('Cannot find module') && !message.startsWith('Unsupported'))
  const packageName = tried.map((message) => /^Cannot find module '(leakprobe-(?!wasm)[\w-]+)'/.exec(message)?.[1]).find((name) => name !== undefined)
  const about = { reason: broken ?? first, remedy: REINSTALL }
  if (disabled !== undefined) {
    about.reason = disabled
    about.remedy = process.permission === undefined ? 'Start Node.js without --no-addons' : 'Start Node.js with --allow-addons as well'
  } else if (broken === undefined && packageName !== undefined) {
    about.reason = `the package ${packageName} is not installed`
  }
  return Object.assign(codedError('LEAKPROBE_ERR_NATIVE', { platform: platform(), ...about }), { cause: error })
}

function causes (error) {
  const found = []
  for (let one = error; one instanceof Error && !found.includes(one) && found.length < 20; one = one.cause) found.push(one)
  return found.length > 0 ? found : [{ message: String(error) }]
}

function firstLine ({ message }) {
  return String(message).split('\n')[0].replace(/\.$/, '')
}

function platform () {
  return `${process.platform}-${process.arch}${isMusl() ? ' with musl, not glibc' : ''}, Node ${process.version}`
}

function isMusl () {
  if (process.platform !== 'linux' || process.report === undefined) return false
  const { excludeNetwork } = process.report
  try {
    process.report.excludeNetwork = true // it looks up the names of all peers otherwise
    return process.report.getReport().header.glibcVersionRuntime === undefined
  } finally {
    process.report.excludeNetwork = excludeNetwork
  }
}

/** Calls the addon; what it throws comes out as a coded error. */
function callNative (call) {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

module.exports = { loadNative, whyNotNative, switchedOff, callNative }
