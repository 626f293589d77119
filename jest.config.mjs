// Jest runs the compiled ES modules; start it with node --experimental-vm-modules.
export default {
  testEnvironment: 'node',
  transform: {},
  testMatch: ['<rootDir>/dist/**/*.spec.js'],
  testTimeout: 20_000,
  maxWorkers: 2,
  reporters: ['default', '<rootDir>/test/support/closing-line-reporter.mjs'],
};
