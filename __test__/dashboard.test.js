'use strict'

// The dashboard in a real browser, served by a real process that leaks.

const assert = require('node:assert/strict')
const { fork, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { test, before, after } = require('node:test')
const { setTimeout: wait } = require('node:timers/promises')
const { pathToFileURL } = require('node:url')
const axe = require('axe-core')
const { nodesArePinned } = require('../scripts/setup/nodes.js')
const { findChromium, openBrowser } = require('./browser.js')
const { endAfter, makeDirectory, until } = require('./helper.js')

const BIN = path.join(__dirname, '..', 'bin.js')
const APP = path.join(__dirname, 'fixtures', 'dashboard.js')
/** The browser does not care which Node.js serves it: one is enough. */
const MAJOR = 22
const WEIGHTS = { '/mails': 2, '/health': 3, '/customers': 2, '/odd': 1 }
const CLIENTS = 4
const PAUSE_MS = 8
const MIX_MS = 700
const LEAKY = 'GET /mails'
/** A busy server, and a route that has no series yet, are no faults; the browser tells each. */
const BUSY = /Failed to load resource: .* status of (404|429|503)/
const PATIENCE = { timeout: 180_000 }

const otherNode = nodesArePinned && Number(process.versions.node.split('.')[0]) !== MAJOR
const skip = otherNode ? `runs on Node.js ${MAJOR}` : findChromium() === undefined && process.env.LEAKPROBE_BROWSER !== 'required' ? 'there is no Chromium on this machine' : false

let browser
before(async () => { if (!skip) browser = await openBrowser() })
after(() => browser?.close())

test('from the verdict to the leaky route, its retaining path, an incident, a download and a page without a server', { skip, timeout: 480_000 }, async (t) => {
  const { app, directory } = await serve(t)
  const load = underLoad(t, app.port)
  const { page, requests, complaints } = await open(t, `${app.dashboard}/`)

  await t.test('the verdict names the route', async () => {
    await page.locator('h1 a', { hasText: LEAKY }).waitFor(PATIENCE)
    assert.match(await page.locator('h1').innerText(), /^GET \/mails keeps \d+(\.\d+)?\s[kM]?B per request\./)
    assert.equal(await page.locator('.kicker .word').innerText(), 'Leaking')
  })

  await t.test('its row is the first, says that it leaks in words, and no other row does', async () => {
    const leaky = page.locator('.routes tbody tr.leaky')
    assert.equal(await leaky.count(), 1)
    assert.match(await page.locator('.routes tbody tr').first().innerText(), /GET \/mails\s+▲ leaks/)
    assert.equal(await leaky.locator('.spark.of-latency .line').getAttribute('d').then((d) => d?.startsWith('M')), true)
  })

  await t.test('a route whose name is markup is a name', async () => {
    const odd = page.locator('.routes th.route a', { hasText: 'onerror' })
    assert.equal(await odd.innerText(), 'GET /<img src=x onerror="document.title=1">\ufffd')
    assert.equal(await page.locator('main img').count(), 0)
    await odd.click()
    await page.locator('h1.route-name').waitFor()
    assert.equal(await page.locator('h1.route-name').innerText(), 'GET /<img src=x onerror="document.title=1">\ufffd')
    assert.match(await page.locator('.lead').innerText(), /No leak was found here|Not enough data yet/)
    await page.goBack()
  })

  await t.test('the table is sorted by the keyboard', async () => {
    const button = page.getByRole('button', { name: 'Requests' })
    await button.focus()
    await page.keyboard.press('Enter')
    const counts = async () => (await page.locator('.routes td.requests').allInnerTexts()).map((text) => Number(text.replaceAll(',', '')))
    const head = page.locator('th.requests')
    assert.equal(await head.getAttribute('aria-sort'), 'descending')
    assert.deepEqual(await counts(), (await counts()).toSorted((one, other) => other - one))
    await page.keyboard.press('Space')
    assert.equal(await head.getAttribute('aria-sort'), 'ascending')
    assert.equal(await page.evaluate(() => document.activeElement.textContent.startsWith('Requests')), true)
  })

  await t.test('its page has the retaining path with file and line, witnesses, and a heat map', async () => {
    await page.locator('h1 a', { hasText: LEAKY }).click()
    await page.locator('.path li.last').waitFor(PATIENCE)
    assert.match(await page.locator('.path').innerText(), /templates\s*Map/)
    assert.match(await page.locator('.path .place').first().innerText(), /fixtures\/dashboard\.js:\d+$/)
    assert.ok(await page.locator('.witnesses tbody tr').count() >= 2)
    await page.locator('.heat canvas').waitFor(PATIENCE)
    const drawn = await page.locator('.heat canvas').evaluate((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0))
    assert.ok(drawn)
    assert.match(await page.locator('.heat .plot').getAttribute('aria-label'), /Most of [\d,]+ requests took/)
  })

  await t.test('its last day comes from the history, without a heat map, and the last minute from memory again', async () => {
    const span = page.getByLabel('Span of the charts')
    const latency = page.locator('.chart', { has: page.locator('.title', { hasText: /^Latency$/ }) }).locator('.plot')
    await span.selectOption('last day')
    await page.locator('.note', { hasText: /^All processes of the service, 1 in this span/ }).waitFor(PATIENCE)
    await page.locator('.heat').waitFor({ state: 'hidden' })
    await until(async () => /^Latency\. 95 %: [\d.]+/.test(await latency.getAttribute('aria-label')), 'the history has the latency', PATIENCE.timeout)
    await span.selectOption('since the start')
    await page.locator('.heat').waitFor()
  })

  await t.test('its incident is downloaded', async () => {
    await page.locator('.incidents a.name', { hasText: 'mails-slow' }).first().click(PATIENCE)
    await page.locator('h1', { hasText: 'mails-slow' }).waitFor()
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('.files a', { hasText: 'incident.json' }).click()])
    const incident = JSON.parse(fs.readFileSync(await download.path(), 'utf8'))
    assert.equal(incident.schema, 'leakprobe.incident/1')
    assert.ok(page.url().endsWith(incident.id))
    // It holds the contents of strings, and nobody allowed that.
    await page.locator('.files .refused', { hasText: 'heap.heapsnapshot.gz' }).waitFor(PATIENCE)
  })

  await t.test('evidence is captured by a button', async () => {
    await page.goto(`${app.dashboard}/#/`)
    await page.getByRole('button', { name: 'Capture evidence' }).click()
    await page.locator('.incidents a.name', { hasText: 'dashboard' }).waitFor(PATIENCE)
  })

  await t.test('nobody is kept from using it, in light and in dark', async () => {
    const incident = await page.locator('.incidents a.name', { hasText: 'mails-slow' }).first().getAttribute('href')
    for (const address of ['#/', `#/route/${encodeURIComponent(LEAKY)}`, incident]) await checkAccess(t, `${app.dashboard}/${address}`)
  })

  await t.test('the incident is a page without a server', async (t) => {
    load.stop()
    const incidents = path.join(directory, 'mail', 'incidents')
    const name = fs.readdirSync(incidents).find((name) => name.includes('mails-slow'))
    const incident = path.join(incidents, name)
    await until(() => JSON.parse(fs.readFileSync(path.join(incident, 'incident.json'), 'utf8')).heapSnapshot.state === 'written', 'the heap snapshot is written', PATIENCE.timeout)
    const file = path.join(directory, 'incident.html')
    const { status, stderr } = spawnSync(process.execPath, [BIN, 'report', incident, '--html', file], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const address = pathToFileURL(file).href
    const offline = await open(t, address)
    await offline.page.locator('h1', { hasText: LEAKY }).waitFor()
    assert.match(await offline.page.locator('#leak-0 .facts').innerText(), /Kept per request/)
    assert.match(await offline.page.locator('.hypotheses').innerText(), /ruled out/)
    assert.match(await offline.page.locator('.incident').innerText(), /Incident mails-slow[^]*Where objects gather[^]*Stack of the app thread/)
    assert.ok(await offline.page.locator('.path .place', { hasText: 'dashboard.js:' }).count() > 0)
    assert.ok(await offline.page.locator('.incident canvas').count() > 0)
    assert.deepEqual(offline.requests, [address])
    assert.deepEqual(offline.complaints, [])
    await checkAccess(t, address)
  })

  await t.test('a stall is shown while it lasts, and that nobody answers when nobody does', async () => {
    await page.goto(`${app.dashboard}/#/`)
    const stalled = new Promise((resolve) => http.get({ port: app.port, host: '127.0.0.1', path: '/stall' }, (response) => response.resume().once('end', resolve)))
    await page.locator('#stall-said', { hasText: 'The event loop stands still' }).waitFor(PATIENCE)
    await stalled
    await page.locator('#stall').waitFor({ state: 'hidden', ...PATIENCE })
    assert.deepEqual(complaints, [], 'no script failed, and nothing was refused by the policy')
    app.child.kill('SIGKILL')
    await page.locator('#silence', { hasText: /No answer since \d\d:\d\d:\d\d/ }).waitFor(PATIENCE)
    assert.match(await page.locator('h1').innerText(), /GET \/mails/)
    assert.deepEqual([...new Set(requests.map((url) => new URL(url).origin))], [app.dashboard])
  })
})

/** The app, and where it and its dashboard listen. */
async function serve (t) {
  const directory = makeDirectory(t)
  const child = endAfter(t, fork(APP, [directory], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }))
  const { port, dashboard } = await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`the app ended with ${code}`)))
  })
  return { app: { child, port, dashboard }, directory }
}

/** Some hundred requests a second in a mix that changes, until `stop()`. */
function underLoad (t, port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS })
  let stopped = false
  let mix = {}
  const mixed = setInterval(() => { mix = Object.fromEntries(Object.entries(WEIGHTS).map(([name, weight]) => [name, weight * Math.random() ** 2])) }, MIX_MS)
  const client = async () => {
    while (!stopped) {
      const all = Object.values(mix).reduce((sum, weight) => sum + weight, 0)
      let at = Math.random() * all
      const name = Object.keys(mix).find((name) => (at -= mix[name]) < 0)
      if (name !== undefined) await ask(port, agent, name)
      await wait(PAUSE_MS)
    }
  }
  const ended = Promise.all(Array.from({ length: CLIENTS }, client))
  const stop = () => { stopped = true }
  t.after(async () => {
    stop()
    clearInterval(mixed)
    await ended
    agent.destroy()
  })
  return { stop }
}

/** A request; that the app is killed at the end is no fault. */
function ask (port, agent, target) {
  return new Promise((resolve) => {
    http.get({ port, host: '127.0.0.1', path: target, agent }, (response) => response.resume().once('close', resolve)).once('error', resolve)
  })
}

/** A page in a window of its own, what it asked for, and what it complained about. */
async function open (t, address, { colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ colorScheme, reducedMotion: 'reduce' })
  t.after(() => context.close())
  const page = await context.newPage()
  const requests = []
  const complaints = []
  context.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => { if (message.type() === 'error' && !BUSY.test(message.text())) complaints.push(message.text()) })
  page.on('pageerror', (error) => complaints.push(error.stack))
  await page.goto(address)
  return { page, requests, complaints }
}

async function checkAccess (t, address) {
  for (const colorScheme of ['light', 'dark']) {
    const { page } = await open(t, address, { colorScheme })
    await page.locator('#service', { hasText: 'mail' }).waitFor()
    await page.locator('main h1').waitFor()
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate(() => globalThis.axe.run())
    const bad = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    assert.deepEqual(bad.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${address}, ${colorScheme}`)
  }
}
