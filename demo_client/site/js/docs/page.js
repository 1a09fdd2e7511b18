/** The interactive documentation of a service: Swagger UI from this hub, as its own pages take it from elsewhere. */

import { byId } from "../hub/dom.js";

const place = byId("docs", HTMLElement);

// a global: the bundle is no module. It came before, for both are deferred
Reflect.get(globalThis, "SwaggerUIBundle")({ url: place.dataset.schema, domNode: place, validatorUrl: null });
