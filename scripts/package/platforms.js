'use strict'

// One package per platform with its binary alone, as napi-rs does it: npm installs the one that fits and leaves out the others.

const fs = require('node:fs')
const path = require('node:path')
const { runStep } = require('../setup/step.js')

/**
 * Makes a folder in `out` for each platform whose binary is in `binaries`.
 *
 * @returns {Promise<{ made: { name: string, folder: string }[], missing: string[] }>} `missing` are names of packages
 */
async function makePlatforms (root, out, binaries) {
  const napi = path.join(root, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')
  // It writes below the package that it reads, and `out` may be anywhere.
  fs.mkdirSync(out, { recursive: true })
  fs.copyFileSync(path.join(root, 'package.json'), path.join(out, 'package.json'))
  await runStep({ title: "folders of the platforms' packages", command: process.execPath, args: [napi, 'create-npm-dirs', '--cwd', out, '--npm-dir', '.'], cwd: root })
  fs.rmSync(path.join(out, 'package.json'))
  const made = []
  const missing = []
  for (const platform of fs.readdirSync(out).sort()) {
    const folder = path.join(out, platform)
    const { name, main } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
    const binary = path.join(binaries, main)
    if (!fs.existsSync(binary)) {
      missing.push(name)
      fs.rmSync(folder, { recursive: true })
      continue
    }
    fs.copyFileSync(binary, path.join(folder, main))
    fs.copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'))
    fs.writeFileSync(path.join(folder, 'README.md'), `# ${name}\n\nThe binary of [leakprobe](https://www.npmjs.com/package/leakprobe) for ${platform}. Install leakprobe; npm then installs this where it fits.\n`)
    made.push({ name, folder })
  }
  return { made, missing }
}

module.exports.makePlatforms = makePlatforms
