/* hub_frame.h: a message in the form that goes over the wire, made once and shared. For hub.c. */
#ifndef JH_NET_HUB_FRAME_H
#define JH_NET_HUB_FRAME_H

#include "net/hub.h"

/* With one reference. NULL when out of memory, or when a message of this kind has no such form. */
jh_hub_frame *jh_hub_frame_try_new(jh_hub *hub, const jh_hub_message *message, jh_hub_form form,
                                   const jh_hub_topic *topic);

void jh_hub_frame_release(jh_hub_frame *frame);

#endif
