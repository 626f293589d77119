/** One defect: what it replaces in the compiled product, and the tests that must turn red. */
export interface PlantedBug {
  readonly name: string;
  /** Below dist. */
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
  readonly tests: readonly string[];
}
