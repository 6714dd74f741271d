"""HTTP triggers: routes, the server and who may reach it."""
