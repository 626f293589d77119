import { Controller, Get, Header, Inject } from '@nestjs/common';
import type { Clock } from '#libs/clock/clock.js';
import { CLOCK } from '#libs/nest-jetstream/tokens.js';

/** The clock that switch times are told by. */
@Controller('api/v1/time')
export class TimeController {
  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  @Get()
  @Header('cache-control', 'no-store')
  now(): { nowMs: number; errorMs: number } {
    return { nowMs: this.clock.nowMs(), errorMs: 0 };
  }
}
