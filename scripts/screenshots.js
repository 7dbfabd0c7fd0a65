'use strict'

// npm run screenshots: the dashboard of the demo in 400, 1280 and 2560 pixels, light and dark, for people to look at.

const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { setupOrExit } = require('./setup.js')

const ROOT = path.join(__dirname, '..')
const SIZES = [[400, 850], [1280, 900], [2560, 1440]]
const README = { width: 1280, height: 900, file: path.join(ROOT, 'docs', 'images', 'dashboard.png') }
const USAGE = `npm run screenshots -- [options]
  --address URL    of a dashboard that is served already; else the demo's server is started, and put under load
  --directory DIR  where the pictures go; default target/screenshots
  --seconds N      of load before the pictures; default 60
  --readme         also the picture of the README, docs/images/dashboard.png
`

async function main () {
  const options = readOptions()
  await setupOrExit()
  const { findChromium, openBrowser } = require('../__test__/browser.js')
  if (findChromium() === undefined) throw new Error('there is no Chromium on this machine; LEAKPROBE_CHROMIUM can name one')
  const stage = options.address === undefined ? await perform(options) : { address: options.address, stop: async () => {} }
  const browser = await openBrowser()
  try {
    await takeAll(browser, stage.address, options)
  } finally {
    await browser.close()
    await stage.stop()
  }
}

async function takeAll (browser, address, { directory, readme }) {
  fs.mkdirSync(directory, { recursive: true })
  const report = await (await fetch(`${address}/api/report`)).json()
  const incidents = await (await fetch(`${address}/api/incidents`)).json()
  const [route] = report.leaks.map((leak) => leak.route)
  const pages = [['overview', '#/'], ...(route === undefined ? [] : [['route', `#/route/${encodeURIComponent(route)}`]]), ...incidents.slice(-1).map(({ id }) => ['incident', `#/incident/${id}`])]
  for (const colorScheme of ['light', 'dark']) {
    for (const [width, height] of SIZES) {
      for (const [name, hash] of pages) {
        const file = path.join(directory, `${name}-${width}-${colorScheme}.png`)
        await take(browser, `${address}/${hash}`, { width, height, colorScheme, file, fullPage: true })
        process.stdout.write(`${path.relative('.', file)}\n`)
      }
    }
  }
  if (readme) {
    fs.mkdirSync(path.dirname(README.file), { recursive: true })
    await take(browser, `${address}/#/`, { ...README, colorScheme: 'light', fullPage: false })
    process.stdout.write(`${path.relative('.', README.file)}: ${fs.statSync(README.file).size} bytes\n`)
  }
}

async function take (browser, address, { width, height, colorScheme, file, fullPage }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' })
  const page = await context.newPage()
  await page.goto(address)
  await page.locator('main h1').waitFor()
  // The charts come with the second answer at the latest.
  await page.locator('main canvas').first().waitFor({ timeout: 5000 }).catch(() => {})
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  if (over > 0) throw new Error(`${address} is ${over} pixels wider than ${width}`)
  await page.screenshot({ path: file, fullPage })
  await context.close()
}

/** The demo's server under its load, for so long. */
async function perform ({ seconds }) {
  const os = require('node:os')
  const { startLoad, startServer } = require('../demo/narrator/stage.js')
  const { Watch } = require('../demo/narrator/watch.js')
  const { service } = require('../demo/leakprobe.config.json')
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'leakprobe-screenshots-'))
  const server = await startServer({ directory: folder, seconds, keep: true })
  const load = startLoad({ port: server.port, atMost: seconds * 3, seed: 1 })
  const watch = new Watch(folder, service, server.pid)
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const address = watch.report()?.process.capabilities.server.because
  return {
    address,
    async stop () {
      await Promise.all([load.stop(), server.stop()])
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}

function readOptions () {
  let values
  try {
    ({ values } = parseArgs({ options: { address: { type: 'string' }, directory: { type: 'string', default: path.join(ROOT, 'target', 'screenshots') }, help: { type: 'boolean' }, readme: { type: 'boolean', default: false }, seconds: { type: 'string', default: '60' } } }))
  } catch (error) {
    refuse(error.message)
  }
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const seconds = Number(values.seconds)
  if (!(seconds >= 10 && seconds <= 3600)) refuse(`--seconds: expected 10 to 3600, received ${values.seconds}`)
  return { ...values, address: values.address?.replace(/\/$/, ''), seconds }
}

function refuse (message) {
  process.stderr.write(`${message}\n${USAGE}`)
  process.exit(2)
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
