'use strict'

// prepublishOnly: the root's package has neither a binary nor the packages that have one.

process.stderr.write('publish what `npm run package` makes, the platforms\' packages first: see CONTRIBUTING.md\n')
process.exitCode = 1
