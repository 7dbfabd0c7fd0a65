'use strict'

// What `npm run package` makes: its contents, its types, and that it runs where it is installed without a Rust toolchain.

const assert = require('node:assert/strict')
const { execFileSync, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { after, before, describe, test } = require('node:test')
const { makeDirectory } = require('./helper.js')
const { nodesArePinned } = require('../scripts/setup/nodes.js')
const { inProject, makeProject, npm, ROOT } = require('./package-project.js')

const BINARY = fs.readdirSync(ROOT).find((name) => name.startsWith(`leakprobe.${process.platform}-${process.arch}`) && name.endsWith('.node'))
const PLATFORM = BINARY?.replace(/^leakprobe\./, 'leakprobe-').replace(/\.node$/, '')

// The compilers' checks are the same on every Node.js.
const once = nodesArePinned && !process.version.startsWith('v24.') && 'tested on Node.js 24'
// What a package may hold. What is not named here is not published by accident.
const MAY_HOLD = /^(?:CHANGELOG\.md|LICENSE|README\.md|SECURITY\.md|package\.json|(?:index|register|bin|binding)\.js|(?:index|register|binding|report|stats)\.d\.ts|lib\/[\w/-]+\.(?:js|d\.ts)|dashboard\/uPlot\.LICENSE|docs\/[\w./-]+\.(?:md|json|ya?ml|png|svg))$/

describe('the packed packages', { skip: BINARY === undefined && 'no binary was built here' }, () => {
  let out
  let undo

  before(() => {
    const held = { after: (call) => { undo = call } }
    out = makeDirectory(held)
    execFileSync(process.execPath, [path.join(ROOT, 'scripts', 'package.js'), '--out', out], { cwd: ROOT })
  })
  after(() => undo())

  const about = (...folder) => JSON.parse(fs.readFileSync(path.join(out, ...folder, 'package.json'), 'utf8'))
  const tarballs = () => fs.readdirSync(out).filter((name) => name.endsWith('.tgz')).sort().map((name) => path.join(out, name))

  test('leakprobe would be published with what it needs, and nothing else', () => {
    const { files, unpackedSize } = published(path.join(out, 'leakprobe'))

    assert.deepEqual(files.filter((file) => !MAY_HOLD.test(file)), [])
    for (const file of ['LICENSE', 'README.md', 'CHANGELOG.md', 'docs/options.md', 'index.js', 'index.d.ts', 'register.js', 'register.d.ts', 'bin.js']) assert.ok(files.includes(file), file)
    for (const file of files.filter((name) => name.endsWith('.js'))) assert.deepEqual(missingRequires(out, file, files), [], file)
    assert.ok(unpackedSize + fs.statSync(path.join(ROOT, BINARY)).size < 10_000_000, `${unpackedSize} bytes`)
  })

  test('its package.json has no script that runs at install, and names the binaries by exact version', () => {
    const { version, scripts, dependencies, devDependencies, optionalDependencies } = about('leakprobe')

    assert.equal(version, require('../package.json').version)
    assert.deepEqual([scripts, dependencies, devDependencies], [undefined, undefined, undefined])
    assert.equal(optionalDependencies[PLATFORM], version)
  })

  test('a platform\'s package holds the binary alone, and says where it fits', () => {
    const folder = PLATFORM.replace('leakprobe-', '')
    const { files } = published(path.join(out, 'platforms', folder))
    const { os, cpu, main, version, libc } = about('platforms', folder)

    assert.deepEqual(files.sort(), ['LICENSE', 'README.md', BINARY, 'package.json'].sort())
    assert.deepEqual([os, cpu, main, version], [[process.platform], [process.arch], BINARY, require('../package.json').version])
    if (process.platform === 'linux') assert.deepEqual(libc, [PLATFORM.endsWith('musl') ? 'musl' : 'glibc'])
  })

  test('installed in an empty project, without Rust on the PATH, it runs every way it can be loaded', { timeout: 180_000 }, (t) => {
    const project = makeProject(t)
    assert.equal(spawnSync('cargo', ['--version'], { env: project.env }).error?.code, 'ENOENT')
    npm(project, ['install', '--offline', ...tarballs()])

    const ways = [['app.cjs'], ['app.mjs'], ['--require', 'leakprobe/register', 'app.cjs'], ['--import', 'leakprobe/register', 'app.mjs'], ['imports-register.mjs']]
    for (const args of ways) {
      const byRegister = args.join().includes('register')
      assert.deepEqual(inProject(project, args).told, { native: 'native', requests: 5, byRegister }, args.join(' '))
    }
    const bin = spawnSync(path.join(project.folder, 'node_modules', '.bin', 'leakprobe'), ['--help'], { env: project.env, encoding: 'utf8' })
    assert.equal(bin.status, 0, bin.stderr)
    assert.match(bin.stdout, /leakprobe report/)
  })

  test('without the platform\'s package the application runs, one warning and the capability say what to do', { timeout: 180_000 }, (t) => {
    const project = makeProject(t)
    npm(project, ['install', '--offline', '--omit=optional', path.join(out, `leakprobe-${about('leakprobe').version}.tgz`)])

    for (const args of [['app.cjs'], ['app.mjs'], ['--require', 'leakprobe/register', 'app.cjs'], ['--import', 'leakprobe/register', 'app.mjs']]) {
      const { told, stderr } = inProject(project, args)
      assert.deepEqual(told, { native: 'absent', requests: 0, byRegister: args.length > 1 }, args.join(' '))
      assert.equal(stderr.match(/\[LEAKPROBE_ERR_NATIVE\] LeakprobeWarning: leakprobe is not running/g)?.length, 1, stderr)
      assert.match(stderr, new RegExp(`the package ${PLATFORM} is not installed\\. Reinstall leakprobe on this machine, with optional dependencies`))
    }
    const bin = spawnSync(path.join(project.folder, 'node_modules', '.bin', 'leakprobe'), ['report', '.'], { env: project.env, encoding: 'utf8' })
    assert.equal(bin.status, 1)
    assert.match(bin.stderr, /Reinstall leakprobe/)
  })

  test('its types hold in strict mode from CommonJS and from ESM', { skip: once, timeout: 180_000 }, (t) => {
    const project = makeProject(t)
    npm(project, ['install', '--offline', ...tarballs()])
    fs.mkdirSync(path.join(project.folder, 'node_modules', '@types'))
    fs.symlinkSync(path.join(ROOT, 'node_modules', '@types', 'node'), path.join(project.folder, 'node_modules', '@types', 'node'))
    const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node', '--skipLibCheck', 'false']

    const right = spawnSync(process.execPath, [tsc, ...options, 'types.cts', 'types.mts'], { cwd: project.folder, encoding: 'utf8' })
    fs.appendFileSync(path.join(project.folder, 'types.mts'), "start({ directroy: '/tmp' })\n")
    const wrong = spawnSync(process.execPath, [tsc, ...options, 'types.mts'], { cwd: project.folder, encoding: 'utf8' })

    assert.equal(right.status, 0, right.stdout)
    assert.match(wrong.stdout, /directroy/)
  })

  test('every resolver finds the types (@arethetypeswrong/cli)', { skip: once, timeout: 180_000 }, () => {
    const attw = path.join(ROOT, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js')
    const { status, stdout, stderr } = spawnSync(process.execPath, [attw, path.join(out, `leakprobe-${about('leakprobe').version}.tgz`), '--format', 'json'], { encoding: 'utf8' })

    assert.equal(status, 0, stdout + stderr)
    const { analysis, problems } = JSON.parse(stdout)
    assert.deepEqual(Object.keys(analysis.entrypoints).sort(), ['.', './package.json', './register'])
    assert.deepEqual(problems, {})
  })
})

test('the clone itself cannot be published by mistake', () => {
  const { status, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'scripts', 'package', 'not-from-here.js')], { encoding: 'utf8' })

  assert.equal(require('../package.json').scripts.prepublishOnly, 'node scripts/package/not-from-here.js')
  assert.equal(status, 1)
  assert.match(stderr, /npm run package/)
})

/** What `npm publish --dry-run` says of the folder; no registry is asked. */
function published (folder) {
  const [name] = [JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).name]
  const text = execFileSync('npm', ['publish', '--dry-run', '--json', '--registry', 'http://127.0.0.1:9', '--fetch-retries', '0'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const told = JSON.parse(text)
  const { files, unpackedSize } = told[name] ?? told
  return { files: files.map((file) => file.path), unpackedSize }
}

/** Relative requires of a packed file that lead to no packed file; the loader's own candidates for binaries are none. */
function missingRequires (out, file, files) {
  if (file === 'binding.js') return []
  const text = fs.readFileSync(path.join(out, 'leakprobe', file), 'utf8')
  const targets = [...text.matchAll(/\brequire\('(\.[^']*)'\)/g)].map(([, target]) => path.posix.join(path.posix.dirname(file), target))
  return targets.filter((target) => ![target, `${target}.js`, `${target}/index.js`].some((name) => files.includes(name)))
}
