// The rules of imports. They hold for sources: `#libs/x.js` is resolved to `libs/x.ts`, not to dist.
// test/imports.spec.ts plants a violation of each rule.
const frameworkPlaces =
  '(^|/)adapters/|\\.module\\.ts$|(^|/)main\\.ts$|^services/[^/]+/service\\.ts$' +
  '|^libs/nest-jetstream/|^deploy/|^test/|\\.spec\\.tsx?$';

module.exports = {
  forbidden: [
    {
      name: 'libs-know-no-services',
      comment: 'Imports go one way: services -> libs -> contracts.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^services/' },
    },
    {
      name: 'contracts-know-nobody',
      comment: 'The contracts are the bottom: they import nothing else of this repository.',
      severity: 'error',
      from: { path: '^libs/contracts/' },
      to: { path: '^(libs|services|deploy|test)/', pathNot: '^libs/contracts/' },
    },
    {
      name: 'services-know-not-each-other',
      comment: 'Services meet in events. Only services/espalier puts them together.',
      severity: 'error',
      from: { path: '^services/([^/]+)/', pathNot: '^services/espalier/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'launcher-is-for-the-composition-root',
      comment: 'Only services/espalier and tests start servers.',
      severity: 'error',
      from: { path: '^(libs|services)/', pathNot: '^services/espalier/|\\.spec\\.tsx?$' },
      to: { path: '^deploy/' },
    },
    {
      name: 'nothing-needs-tests',
      severity: 'error',
      from: { path: '^(libs|services|deploy)/', pathNot: '\\.spec\\.tsx?$' },
      to: { path: '^test/|\\.spec\\.tsx?$' },
    },
    {
      name: 'deploy-knows-no-services',
      severity: 'error',
      from: { path: '^deploy/' },
      to: { path: '^services/' },
    },
    {
      name: 'frameworks-at-the-edge',
      comment:
        'NestJS, TypeORM and NATS: only in adapters, modules, main.ts and libs/nest-jetstream.',
      severity: 'error',
      from: { path: '^(libs|services)/', pathNot: frameworkPlaces },
      to: { path: 'node_modules/(@nestjs/|@nats-io/|typeorm/|nats/)' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'all-imports-resolve',
      comment: 'An import that is not found is an import that no rule can judge.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(libs/contracts/generated|services/console/web|dist)/' },
    webpackConfig: { fileName: './deploy/import-resolution.cjs' },
  },
};
