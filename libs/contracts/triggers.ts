/** How the trigger of a run that an event from outside began is told: `event <type> <id>`. */
export const eventTrigger = 'event ';
