import { Controller, Inject, Logger } from '@nestjs/common';
import type { SignedReport } from '#libs/contracts/index.js';
import { ForgedReport } from '#libs/keys/signed-report.js';
import { OnIngress } from '#libs/nest-jetstream/decorators.js';
import { AssignmentReports, ReportRefused } from '../../app/assignment-reports.js';

/** Leaders' reports; those that are refused are logged and dropped, so that they block nobody. */
@Controller()
export class ReportsConsumer {
  private readonly logger = new Logger(ReportsConsumer.name);

  constructor(@Inject(AssignmentReports) private readonly reports: AssignmentReports) {}

  @OnIngress('assignment')
  async assignmentReport(signed: SignedReport): Promise<void> {
    try {
      await this.reports.receive(signed);
    } catch (error) {
      if (!(error instanceof ReportRefused || error instanceof ForgedReport)) throw error;
      this.logger.warn(`report dropped: ${error.message}`);
    }
  }
}
