// How dependency-cruiser finds the source that an import means.
const { join } = require('node:path');

const root = join(__dirname, '..');
const inSources = (folder) => [`#${folder}`, join(root, folder)];

module.exports = {
  resolve: {
    alias: Object.fromEntries(['libs', 'services', 'deploy', 'test'].map(inSources)),
    extensions: ['.ts', '.tsx', '.js', '.mjs', '.cjs', '.json'],
    extensionAlias: { '.js': ['.ts', '.tsx', '.js'] },
    conditionNames: ['import', 'require', 'node', 'default', 'types'],
    exportsFields: ['exports'],
  },
};
