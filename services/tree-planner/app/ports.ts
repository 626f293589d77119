import type { Notification } from '#libs/contracts/index.js';
import type { LogView } from '#libs/event-log/log-view.js';
import type { PlannerView } from '../domain/planner-view.js';

/** The planner's view of the log. */
export type View = Pick<LogView<PlannerView>, 'state' | 'reaches'>;

/** Reaches leaders where they listen. */
export interface Leaders {
  /** Whether the leader confirmed the notification in time; never throws. */
  notify(leader: string, notification: Notification, httpUrl: string): Promise<boolean>;
}
